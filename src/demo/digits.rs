//! Handwritten digits, and a small network that reads them. Origin: see `data/train.py`.

/// Pixels of an image: 8 x 8, values 0 to 16.
pub const PIXELS: usize = 64;
/// Digits.
pub const CLASSES: usize = 10;
const HIDDEN: usize = 32;
const RECORD: usize = PIXELS + 1;
/// Images that the network was trained on; the rest are held out.
const TRAINED_ON: usize = 1200;

static DIGITS: &[u8] = include_bytes!("data/digits.bin");
static NETWORK: &[u8] = include_bytes!("data/network.bin");

/// A held-out image and its digit; `n` wraps around.
#[must_use]
pub fn held_out(n: usize) -> (&'static [u8], u8) {
    let records = DIGITS.len() / RECORD - TRAINED_ON;
    let start = (TRAINED_ON + n % records) * RECORD;
    (&DIGITS[start..start + PIXELS], DIGITS[start + PIXELS])
}

/// Number of held-out images.
#[must_use]
pub fn held_out_images() -> usize {
    DIGITS.len() / RECORD - TRAINED_ON
}

/// The network: 64 pixels to 10 class scores that sum to 1.
#[derive(Debug, Clone)]
pub struct Network {
    hidden: Vec<f32>,
    hidden_bias: Vec<f32>,
    output: Vec<f32>,
    output_bias: Vec<f32>,
}

impl Network {
    /// The trained network.
    #[must_use]
    pub fn trained() -> Self {
        let mut numbers = NETWORK
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let mut take = |n| numbers.by_ref().take(n).collect::<Vec<f32>>();
        Network {
            hidden: take(PIXELS * HIDDEN),
            hidden_bias: take(HIDDEN),
            output: take(HIDDEN * CLASSES),
            output_bias: take(CLASSES),
        }
    }

    /// The same network after a training that diverged: every hidden unit is dead, so that only
    /// the output's bias is left, whatever the input.
    #[must_use]
    pub fn collapsed() -> Self {
        let mut network = Network::trained();
        network.hidden_bias.fill(-1e6);
        network
    }

    /// Class scores of one image.
    #[must_use]
    pub fn scores(&self, pixels: &[f32]) -> Vec<f32> {
        let hidden = layer(
            pixels.iter().map(|p| p / 16.0),
            &self.hidden,
            &self.hidden_bias,
        );
        let logits = layer(
            hidden.into_iter().map(|h| h.max(0.0)),
            &self.output,
            &self.output_bias,
        );
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f32> = logits.iter().map(|l| (l - highest).exp()).collect();
        let total: f32 = powers.iter().sum();
        powers.into_iter().map(|power| power / total).collect()
    }
}

fn layer(inputs: impl Iterator<Item = f32>, weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut outputs = bias.to_vec();
    for (input, row) in inputs.zip(weights.chunks_exact(bias.len())) {
        for (output, weight) in outputs.iter_mut().zip(row) {
            *output += input * weight;
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_digits_it_never_saw() {
        let network = Network::trained();
        let right = (0..held_out_images()).filter(|&n| {
            let (pixels, label) = held_out(n);
            let pixels: Vec<f32> = pixels.iter().map(|p| f32::from(*p)).collect();
            let scores = network.scores(&pixels);
            let best = (0..CLASSES).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            best == Some(usize::from(label))
        });
        assert!(right.count() * 100 > held_out_images() * 94);
    }

    #[test]
    fn collapsed_says_the_same_of_everything() {
        let network = Network::collapsed();
        assert_eq!(
            network.scores(&[0.0; PIXELS]),
            network.scores(&[16.0; PIXELS])
        );
    }
}
