//! A client that classifies digits: held-out images, blended so that every row is new.

use super::digits::{PIXELS, held_out, held_out_images};
use super::server::Fault;
use crate::config::Address;
use crate::error::Error;
use crate::proto::tensorflow::serving::prediction_service_client::PredictionServiceClient;
use crate::proto::tensorflow::serving::{ModelSpec, PredictRequest};
use crate::proto::tensorflow::tensor_shape_proto::Dim;
use crate::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use fastrand::Rng;
use std::time::Duration;
use tonic::transport::Channel;

/// Batch sizes in turn.
const BATCHES: [u64; 6] = [1, 4, 1, 8, 2, 1];

/// One connection through the proxy.
pub(super) struct Client {
    stub: PredictionServiceClient<Channel>,
    rng: Rng,
    rows: u64,
    calls: usize,
    fault: Fault,
}

impl Client {
    pub(super) async fn connect(proxy: &Address, seed: u64) -> Result<Self, Error> {
        let stub = PredictionServiceClient::connect(format!("http://{proxy}"))
            .await
            .map_err(|error| Error::Unavailable(format!("proxy {proxy}: {error}")))?;
        Ok(Client {
            stub,
            rng: Rng::with_seed(seed),
            rows: 0,
            calls: 0,
            fault: Fault::None,
        })
    }

    /// Rows sent so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn set(&mut self, fault: Fault) {
        self.fault = fault;
    }

    /// Sends calls until `rows` rows were sent in all, at `rate` rows a second (0: no limit).
    pub(super) async fn send(&mut self, rows: u64, rate: u64) -> Result<(), Error> {
        while self.rows < rows {
            let batch = BATCHES[self.calls % BATCHES.len()].min(rows - self.rows);
            self.calls += 1;
            self.rows += batch;
            let request = self.request(batch as usize);
            self.stub
                .predict(request)
                .await
                .map_err(|status| Error::Unavailable(format!("a call failed: {status}")))?;
            if rate > 0 {
                tokio::time::sleep(Duration::from_secs_f64(batch as f64 / rate as f64)).await;
            }
        }
        Ok(())
    }

    fn request(&mut self, batch: usize) -> PredictRequest {
        let pixels = (0..batch).flat_map(|_| self.image()).collect();
        let dim = [batch as i64, PIXELS as i64].map(|size| Dim {
            size,
            name: String::new(),
        });
        let tensor = TensorProto {
            dtype: DataType::DtFloat as i32,
            tensor_shape: Some(TensorShapeProto {
                dim: dim.into(),
                unknown_rank: false,
            }),
            float_val: pixels,
            ..TensorProto::default()
        };
        let spec = ModelSpec {
            name: "digits".to_owned(),
            ..ModelSpec::default()
        };
        PredictRequest {
            model_spec: Some(spec),
            inputs: [("pixels".to_owned(), tensor)].into(),
            output_filter: Vec::new(),
        }
    }

    /// A held-out image, mixed a little with another of the same digit.
    fn image(&mut self) -> Vec<f32> {
        if self.fault == Fault::InputCollapse {
            return held_out(0).0.iter().map(|p| f32::from(*p)).collect();
        }
        let (image, label) = held_out(self.rng.usize(..held_out_images()));
        let start = self.rng.usize(..held_out_images());
        let other = (start..)
            .map(held_out)
            .find(|(_, l)| *l == label)
            .map_or(image, |(i, _)| i);
        let share = self.rng.f32() * 0.4;
        image
            .iter()
            .zip(other)
            .map(|(a, b)| f32::from(*a) * (1.0 - share) + f32::from(*b) * share)
            .collect()
    }
}
