//! A model server that answers as TensorFlow Serving does, with faults that can be switched on.

use super::digits::{CLASSES, Network, PIXELS};
use crate::codec::predict::DEFAULT_SIGNATURE;
use crate::codec::tensor::{Elements, decode};
use crate::config::Address;
use crate::proto::tensorflow::serving::model_service_server::{ModelService, ModelServiceServer};
use crate::proto::tensorflow::serving::model_version_status::State;
use crate::proto::tensorflow::serving::prediction_service_server::{
    PredictionService, PredictionServiceServer,
};
use crate::proto::tensorflow::serving::{
    GetModelMetadataRequest, GetModelMetadataResponse, GetModelStatusRequest,
    GetModelStatusResponse, ModelSpec, ModelVersionStatus, PredictRequest, PredictResponse,
    SignatureDefMap, StatusProto, model_spec,
};
use crate::proto::tensorflow::tensor_shape_proto::Dim;
use crate::proto::tensorflow::{
    DataType, SignatureDef, TensorInfo, TensorProto, TensorShapeProto, tensor_info,
};
use crate::report::{Kind, State as Verdict};
use prost::Message;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[repr(u8)]
pub enum Fault {
    /// Nothing
    None,
    /// Version 2 is rolled out, and its training had collapsed
    Rollout,
    /// The model that served well gives one answer to everything
    Constant,
    /// The same, with a little noise on it
    NearConstant,
    /// The model gives NaN
    Nan,
    /// The client sends one image again and again
    InputCollapse,
}

impl Fault {
    const ALL: [Fault; 6] = [
        Fault::None,
        Fault::Rollout,
        Fault::Constant,
        Fault::NearConstant,
        Fault::Nan,
        Fault::InputCollapse,
    ];

    /// What Flatline should say of it.
    #[must_use]
    pub fn expected(self) -> Option<(Verdict, Option<Kind>)> {
        Some(match self {
            Fault::None => return None,
            Fault::Rollout | Fault::Constant => (Verdict::Firing, Some(Kind::Constant)),
            Fault::NearConstant => (Verdict::Firing, Some(Kind::NearConstant)),
            Fault::Nan => (Verdict::Firing, Some(Kind::NonFinite)),
            // The client's fault: never an alarm about the model.
            Fault::InputCollapse => (Verdict::Pending, Some(Kind::InputCollapse)),
        })
    }
}

const MODEL: &str = "digits";
const INPUT: &str = "pixels";
const OUTPUT: &str = "probabilities";

/// A model server that listens on a loopback port until it is dropped.
pub struct ModelServer {
    address: Address,
    fault: Arc<AtomicU8>,
    task: tokio::task::JoinHandle<()>,
}

impl ModelServer {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn spawn() -> std::io::Result<Self> {
        ModelServer::bind("127.0.0.1:0").await
    }

    /// Starts it on an address.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        let fault = Arc::new(AtomicU8::new(Fault::None as u8));
        let service = Service(Arc::new(Models {
            trained: Network::trained(),
            collapsed: Network::collapsed(),
            fault: Arc::clone(&fault),
            calls: AtomicU64::new(0),
        }));
        let task = tokio::spawn(async move {
            let _ = tonic::transport::Server::builder()
                .add_service(PredictionServiceServer::new(service.clone()))
                .add_service(ModelServiceServer::new(service))
                .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
                .await;
        });
        Ok(ModelServer {
            address: Address::Tcp(local.ip().to_string(), local.port()),
            fault,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// Switches a fault on, or off with [`Fault::None`].
    pub fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::Relaxed);
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Service(Arc<Models>);

struct Models {
    trained: Network,
    collapsed: Network,
    fault: Arc<AtomicU8>,
    calls: AtomicU64,
}

impl Models {
    fn fault(&self) -> Fault {
        let number = usize::from(self.fault.load(Ordering::Relaxed));
        Fault::ALL.get(number).copied().unwrap_or(Fault::None)
    }

    /// The newest version; a roll-out brings the second.
    fn newest(&self) -> i64 {
        if self.fault() == Fault::Rollout { 2 } else { 1 }
    }

    fn version(&self, spec: &ModelSpec) -> Result<i64, Status> {
        if spec.name != MODEL {
            return Err(Status::not_found(format!(
                "Servable not found for request: Latest({})",
                spec.name
            )));
        }
        match &spec.version_choice {
            None => Ok(self.newest()),
            Some(model_spec::VersionChoice::Version(v)) if (1..=self.newest()).contains(v) => {
                Ok(*v)
            }
            Some(model_spec::VersionChoice::Version(v)) => Err(Status::not_found(format!(
                "Servable not found for request: Specific({MODEL}, {v})"
            ))),
            Some(model_spec::VersionChoice::VersionLabel(label)) => Err(Status::invalid_argument(
                format!("Unrecognized servable version label: {label}"),
            )),
        }
    }

    fn scores(&self, version: i64, pixels: &[f32]) -> Vec<f32> {
        let network = if version == 2 {
            &self.collapsed
        } else {
            &self.trained
        };
        let mut scores = network.scores(pixels);
        match self.fault() {
            Fault::Constant => self.collapsed.scores(pixels),
            Fault::NearConstant => {
                // Noise of the last bits, as a GPU adds it.
                let calls = self.calls.fetch_add(1, Ordering::Relaxed) as f32;
                scores = self.collapsed.scores(pixels);
                scores[0] += 1e-6 * (calls * 0.7).sin();
                scores
            }
            Fault::Nan => vec![f32::NAN; CLASSES],
            _ => scores,
        }
    }
}

#[tonic::async_trait]
impl PredictionService for Service {
    async fn predict(
        &self,
        request: Request<PredictRequest>,
    ) -> Result<Response<PredictResponse>, Status> {
        let request = request.into_inner();
        let mut spec = request
            .model_spec
            .ok_or_else(|| Status::invalid_argument("Missing ModelSpec"))?;
        let version = self.0.version(&spec)?;
        if !spec.signature_name.is_empty() && spec.signature_name != DEFAULT_SIGNATURE {
            return Err(Status::failed_precondition(format!(
                "Serving signature key \"{}\" not found.",
                spec.signature_name
            )));
        }
        let tensor = request
            .inputs
            .get(INPUT)
            .filter(|_| request.inputs.len() == 1);
        let tensor = tensor.ok_or_else(|| {
            Status::invalid_argument(format!("input tensor alias not found in signature. Inputs expected to be in the set {{{INPUT}}}."))
        })?;
        let images = images(tensor)?;
        let scores = images
            .iter()
            .flat_map(|image| self.0.scores(version, image))
            .collect();
        spec.version_choice = Some(model_spec::VersionChoice::Version(version));
        DEFAULT_SIGNATURE.clone_into(&mut spec.signature_name);
        let output = TensorProto {
            dtype: DataType::DtFloat as i32,
            tensor_shape: Some(shape(&[images.len() as i64, CLASSES as i64])),
            float_val: scores,
            ..TensorProto::default()
        };
        Ok(Response::new(PredictResponse {
            outputs: [(OUTPUT.to_owned(), output)].into(),
            model_spec: Some(spec),
        }))
    }

    async fn get_model_metadata(
        &self,
        request: Request<GetModelMetadataRequest>,
    ) -> Result<Response<GetModelMetadataResponse>, Status> {
        let mut spec = request.into_inner().model_spec.unwrap_or_default();
        let version = self.0.version(&spec)?;
        let info = |name: &str, width: usize| TensorInfo {
            dtype: DataType::DtFloat as i32,
            tensor_shape: Some(shape(&[-1, width as i64])),
            encoding: Some(tensor_info::Encoding::Name(format!("{name}:0"))),
        };
        let signature = SignatureDef {
            inputs: [(INPUT.to_owned(), info(INPUT, PIXELS))].into(),
            outputs: [(OUTPUT.to_owned(), info(OUTPUT, CLASSES))].into(),
            method_name: "tensorflow/serving/predict".to_owned(),
        };
        spec.version_choice = Some(model_spec::VersionChoice::Version(version));
        let signatures = [(DEFAULT_SIGNATURE.to_owned(), signature)].into();
        Ok(Response::new(metadata(spec, signatures)))
    }
}

/// The reply to `GetModelMetadata` about these signatures.
#[must_use]
pub fn metadata(
    spec: ModelSpec,
    signature_def: HashMap<String, SignatureDef>,
) -> GetModelMetadataResponse {
    let any = prost_types::Any {
        type_url: "type.googleapis.com/tensorflow.serving.SignatureDefMap".to_owned(),
        value: SignatureDefMap { signature_def }.encode_to_vec(),
    };
    GetModelMetadataResponse {
        model_spec: Some(spec),
        metadata: [("signature_def".to_owned(), any)].into(),
    }
}

#[tonic::async_trait]
impl ModelService for Service {
    async fn get_model_status(
        &self,
        request: Request<GetModelStatusRequest>,
    ) -> Result<Response<GetModelStatusResponse>, Status> {
        self.0
            .version(&request.into_inner().model_spec.unwrap_or_default())?;
        let status = |version| ModelVersionStatus {
            version,
            state: State::Available as i32,
            status: Some(StatusProto::default()),
        };
        let versions = (1..=self.0.newest()).rev().map(status).collect();
        Ok(Response::new(GetModelStatusResponse {
            model_version_status: versions,
        }))
    }
}

/// The images of a `[n, 64]` float tensor, decoded as TensorFlow decodes it.
fn images(tensor: &TensorProto) -> Result<Vec<Vec<f32>>, Status> {
    let bytes = tensor.encode_to_vec();
    let refused = || Status::invalid_argument("tensor parsing error: pixels");
    let effective = decode(&bytes).map_err(|_| refused())?;
    let [rows, width] = effective.dims[..] else {
        return Err(refused());
    };
    if width != PIXELS as u64 || effective.dtype.number != DataType::DtFloat || rows > 1024 {
        return Err(refused());
    }
    let Elements::Fixed(given) = &effective.elements else {
        return Err(refused());
    };
    let mut values: Vec<f32> = given
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let last = values.last().copied().unwrap_or(0.0);
    values.resize(effective.count as usize, last);
    Ok(values.chunks(PIXELS).map(<[f32]>::to_vec).collect())
}

fn shape(sizes: &[i64]) -> TensorShapeProto {
    let dim = sizes
        .iter()
        .map(|&size| Dim {
            size,
            name: String::new(),
        })
        .collect();
    TensorShapeProto {
        dim,
        unknown_rank: false,
    }
}
