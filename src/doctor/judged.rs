//! What is wrong with the outputs that a probe saw.

use super::Questions;
use super::probe::{INPUTS, Probe, ProbedOutput};
use crate::codec::predict::DEFAULT_SIGNATURE;
use crate::diagnose::confirm::quoted;
use crate::report::{Category, Finding};

impl Probe {
    /// What is wrong with the outputs.
    pub(super) fn findings(&self, questions: &Questions) -> Vec<Finding> {
        let again = |signature: &str| {
            let version = questions.version.unwrap_or(0);
            let reach = questions.reach();
            let mut command = reach.probe(&questions.model, version, signature);
            for (input, value) in &questions.set {
                let set = quoted(&format!("{input}={value}"));
                command.push_str(&format!(" --set {set}"));
            }
            command
        };
        let finding = |signature: &str, rule: &str, category, certain, line| Finding {
            rule: rule.to_owned(),
            model: questions.model.clone(),
            version: self.version,
            category,
            certain,
            evidence: vec![line],
            confirm: again(signature),
        };
        let mut found = Vec::new();
        if let Some(why) = self.stopped.as_ref().filter(|_| self.unset) {
            let named = |name: &&String| why.contains(&format!("signature `{name}`"));
            let signature = self
                .signatures
                .iter()
                .find(named)
                .map_or(DEFAULT_SIGNATURE, String::as_str);
            let line = why.clone();
            found.push(finding(signature, "D12", Category::Loading, false, line));
        }
        for output in &self.outputs {
            let name = self.named(output);
            // A class id may well be one for eight inputs out of nowhere, and a score be cut to 0.
            // Beside one that varies it is meant, as anchors or a temperature are.
            let beside = self
                .outputs
                .iter()
                .any(|other| other.signature == output.signature && other.distinct > 1);
            let flat = output.real && output.distinct == 1 && output.inputs == INPUTS && !beside;
            if output.non_finite > 0 {
                let line = format!("{name} holds NaN or infinity");
                // Some may be the logarithm of the zeros that were sent, or of what is too large.
                let certain = output.non_finite > INPUTS;
                found.push(finding(
                    &output.signature,
                    "D21",
                    Category::Runtime,
                    certain,
                    line,
                ));
            } else if flat && output.batch_varies == Some(true) {
                let line = format!(
                    "{name} is the same for {INPUTS} distinct inputs of one row, and not for the rows of one batch, as with batch normalisation or dropout of the training, unless the model holds rows against each other"
                );
                found.push(finding(
                    &output.signature,
                    "D8",
                    Category::Signature,
                    false,
                    line,
                ));
            } else if flat && output.follows_batch == Some(false) {
                let line = format!(
                    "{name} is the same for {INPUTS} distinct inputs, zeros and ones among them, and does not follow a batch: the graph does not read its input"
                );
                found.push(finding(
                    &output.signature,
                    "D5",
                    Category::Signature,
                    false,
                    line,
                ));
            } else if flat && !output.of_text && !output.bounds {
                let line = format!(
                    "{name} is the same for {INPUTS} distinct inputs, zeros and ones among them"
                );
                found.push(finding(
                    &output.signature,
                    "D20",
                    Category::Training,
                    false,
                    line,
                ));
            }
            if let Some(input) = output.echo_of.as_ref().filter(|_| self.is_alone(output)) {
                let line = format!("{name} equals input `{input}` in every call");
                found.push(finding(
                    &output.signature,
                    "D6",
                    Category::Signature,
                    false,
                    line,
                ));
            }
            if output.repeats == Some(false) {
                let line = format!("{name} differs for the same input");
                found.push(finding(
                    &output.signature,
                    "D25",
                    Category::Runtime,
                    true,
                    line,
                ));
            }
        }
        found
    }

    /// As `output `scores``, and of which signature where several were called.
    pub(super) fn named(&self, output: &ProbedOutput) -> String {
        let name = &output.output;
        match &self.signatures[..] {
            [_, _, ..] => format!("output `{name}` of `{}`", output.signature),
            _ => format!("output `{name}`"),
        }
    }

    fn is_alone(&self, output: &ProbedOutput) -> bool {
        let same = |other: &&ProbedOutput| other.signature == output.signature;
        self.outputs.iter().filter(same).count() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::findings::Reason;

    /// The rules that speak of an output, and whether they are certain.
    fn said(output: ProbedOutput) -> Vec<(String, bool)> {
        said_of(vec![output])
    }

    fn said_of(outputs: Vec<ProbedOutput>) -> Vec<(String, bool)> {
        let upstream = "127.0.0.1:8500".parse().expect("an address");
        let questions = Questions::about(upstream, "m");
        let probe = Probe {
            outputs,
            ..Probe::default()
        };
        let found = probe.findings(&questions).into_iter();
        found.map(|f| (f.rule, f.certain)).collect()
    }

    #[test]
    fn a_variable_without_a_value_is_the_servers_own_word() {
        let said = |why: &str| {
            let upstream = "127.0.0.1:8500".parse().expect("an address");
            let probe = Probe {
                unset: Reason::read(9, why) == Some(Reason::Unset),
                ..Probe::none(why.to_owned())
            };
            let found = probe.findings(&Questions::about(upstream, "m"));
            found.into_iter().map(|f| f.rule).collect::<Vec<_>>()
        };
        let old = "the server refused call 1: Attempting to use uninitialized value dense/kernel";
        assert_eq!(said(old), ["D12"]);
        assert_eq!(said("call 1: Could not find variable dense/bias."), ["D12"]);
        assert_eq!(
            said("the server refused call 1: Incompatible shapes"),
            [""; 0]
        );
    }

    #[test]
    fn what_the_calls_show_is_no_more_than_that() {
        let flat = ProbedOutput {
            inputs: INPUTS,
            distinct: 1,
            real: true,
            follows_batch: Some(true),
            ..ProbedOutput::default()
        };
        assert_eq!(said(flat.clone()), [("D20".to_owned(), false)]);
        let varied = ProbedOutput {
            distinct: 2,
            ..flat.clone()
        };
        assert_eq!(said(varied.clone()), []);
        // Beside one that varies, as a list of labels.
        assert_eq!(said_of(vec![flat.clone(), varied.clone()]), []);
        let elsewhere = ProbedOutput {
            signature: "other".to_owned(),
            ..varied
        };
        assert_eq!(said_of(vec![flat.clone(), elsewhere]).len(), 1);
        // A score that is cut to 0 for all that is out of nowhere.
        let cut = ProbedOutput {
            bounds: true,
            ..flat.clone()
        };
        assert_eq!(said(cut), []);
        // No word of the vocabulary may be among what was sent.
        let text = ProbedOutput {
            of_text: true,
            ..flat.clone()
        };
        assert_eq!(said(text), []);
        let training = ProbedOutput {
            batch_varies: Some(true),
            ..flat.clone()
        };
        assert_eq!(said(training), [("D8".to_owned(), false)]);
        let nan = |non_finite| ProbedOutput {
            non_finite,
            ..flat.clone()
        };
        assert_eq!(said(nan(2)), [("D21".to_owned(), false)]);
        assert_eq!(said(nan(INPUTS + 1)), [("D21".to_owned(), true)]);
    }
}
