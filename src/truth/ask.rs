//! What the server says of itself: GetModelStatus and GetModelMetadata, with a deadline, on a
//! connection of our own.

use super::volume::Volume;
use crate::config::{Address, UpstreamTls};
use crate::diagnose::Reach;
use crate::diagnose::facts::{Signature, TensorSpec, VersionStatus};
use crate::net::{self, Stream};
use crate::proto::tensorflow::serving::model_service_client::ModelServiceClient;
use crate::proto::tensorflow::serving::model_version_status::State;
use crate::proto::tensorflow::serving::prediction_service_client::PredictionServiceClient;
use crate::proto::tensorflow::serving::{
    GetModelMetadataRequest, GetModelStatusRequest, ModelSpec, PredictRequest, PredictResponse,
    SignatureDefMap, model_spec,
};
use crate::proto::tensorflow::{SignatureDef, TensorInfo};
use crate::saved_model::dtype;
use crate::tls;
use http::Uri;
use hyper_util::rt::TokioIo;
use prost::Message;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower::{Service, service_fn};

/// Most bytes of an answer.
const LARGEST: usize = 64 << 20;

/// A model server that is asked.
#[derive(Debug, Clone)]
pub struct Server {
    channel: Channel,
    deadline: Duration,
    dialled: Arc<AtomicU64>,
}

/// The signatures of the version that answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Signatures {
    /// That version.
    pub version: i64,
    /// By name.
    pub by_name: BTreeMap<String, SignatureDef>,
}

/// How somebody asks the same by hand, where this runs.
#[must_use]
pub fn reach(upstream: &Address, tls: Option<&UpstreamTls>, volume: &Volume) -> Reach {
    let tls = tls.map(UpstreamTls::options).unwrap_or_default();
    Reach {
        upstream: upstream.to_string(),
        options: [tls, volume.options()].concat(),
    }
}

/// How connections come about.
pub type Dialler = Arc<dyn Fn() -> Dialled + Send + Sync>;
/// A connection that is being opened.
pub type Dialled = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// Connections in plain text, or in TLS as calls are forwarded.
#[must_use]
pub fn dialler(address: Address, tls: Option<tls::Client>) -> Dialler {
    Arc::new(move || {
        let (address, tls) = (address.clone(), tls.clone());
        Box::pin(async move {
            let stream = net::connect(&address).await?;
            match tls {
                None => Ok(stream),
                Some(tls) => tls
                    .connect(&address, stream)
                    .await
                    .map_err(io::Error::other),
            }
        })
    })
}

impl Server {
    /// Connects; every question has `deadline` for its answer.
    ///
    /// # Errors
    /// When no connection comes about.
    pub async fn connect(
        address: &Address,
        tls: Option<tls::Client>,
        deadline: Duration,
    ) -> Result<Self, tonic::transport::Error> {
        let (endpoint, dialled) = endpoint(address, deadline)?;
        let connector = connector(dialler(address.clone(), tls), &dialled);
        Ok(Server {
            channel: endpoint.connect_with_connector(connector).await?,
            deadline,
            dialled,
        })
    }

    /// Connects with the first question, and again when the connection has gone.
    ///
    /// # Errors
    /// When the address cannot stand in a URI.
    pub fn lazily(
        address: &Address,
        dial: Dialler,
        deadline: Duration,
    ) -> Result<Self, tonic::transport::Error> {
        let (endpoint, dialled) = endpoint(address, deadline)?;
        Ok(Server {
            channel: endpoint.connect_with_connector_lazy(connector(dial, &dialled)),
            deadline,
            dialled,
        })
    }

    /// How often a connection was opened: one more means that the server may have been restarted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.dialled.load(Ordering::Relaxed)
    }

    /// Every version that the server knows of, newest first.
    ///
    /// # Errors
    /// The server's own status.
    pub async fn status(&self, model: &str) -> Result<Vec<VersionStatus>, Status> {
        let spec = ModelSpec {
            name: model.to_owned(),
            ..ModelSpec::default()
        };
        let request = self.timed(GetModelStatusRequest {
            model_spec: Some(spec),
        });
        let reply = ModelServiceClient::new(self.channel.clone())
            .get_model_status(request)
            .await?
            .into_inner();
        let mut versions: Vec<VersionStatus> = reply
            .model_version_status
            .into_iter()
            .map(|found| {
                let status = found.status.clone().unwrap_or_default();
                VersionStatus {
                    version: found.version,
                    state: State::try_from(found.state)
                        .unwrap_or(State::Unknown)
                        .as_str_name()
                        .to_owned(),
                    code: status.error_code,
                    message: status.error_message,
                }
            })
            .collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        Ok(versions)
    }

    /// The signatures of a version; of the newest if it is `None`.
    ///
    /// # Errors
    /// The server's own status, or INTERNAL where its answer is no signature map.
    pub async fn signatures(
        &self,
        model: &str,
        version: Option<i64>,
    ) -> Result<Signatures, Status> {
        let spec = ModelSpec {
            name: model.to_owned(),
            version_choice: version.map(model_spec::VersionChoice::Version),
            ..ModelSpec::default()
        };
        let request = self.timed(GetModelMetadataRequest {
            model_spec: Some(spec),
            metadata_field: vec!["signature_def".to_owned()],
        });
        let mut client =
            PredictionServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST);
        let reply = client.get_model_metadata(request).await?.into_inner();
        let any = reply
            .metadata
            .get("signature_def")
            .ok_or_else(|| Status::internal("no signature_def in the answer"))?;
        let map = SignatureDefMap::decode(any.value.as_slice())
            .map_err(|error| Status::internal(format!("signature_def: {error}")))?;
        let version = match reply.model_spec.and_then(|spec| spec.version_choice) {
            Some(model_spec::VersionChoice::Version(version)) => version,
            _ => 0,
        };
        Ok(Signatures {
            version,
            by_name: map.signature_def.into_iter().collect(),
        })
    }

    /// One Predict call.
    ///
    /// # Errors
    /// The server's own status.
    pub async fn predict(&self, request: PredictRequest) -> Result<PredictResponse, Status> {
        let mut client =
            PredictionServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST);
        Ok(client.predict(self.timed(request)).await?.into_inner())
    }

    fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        request
    }
}

impl Signatures {
    /// As the rules look at it.
    #[must_use]
    pub fn promised(&self) -> BTreeMap<String, Signature> {
        let specs = |tensors: &HashMap<String, TensorInfo>| {
            tensors
                .iter()
                .map(|(name, info)| (name.clone(), spec(info)))
                .collect()
        };
        self.by_name
            .iter()
            .map(|(name, signature)| {
                let promised = Signature {
                    inputs: specs(&signature.inputs),
                    outputs: specs(&signature.outputs),
                };
                (name.clone(), promised)
            })
            .collect()
    }
}

/// A tensor as the metadata lists it.
fn spec(info: &TensorInfo) -> TensorSpec {
    let shape = info
        .tensor_shape
        .as_ref()
        .filter(|shape| !shape.unknown_rank);
    TensorSpec {
        dtype: dtype(info).to_owned(),
        dims: shape.map(|shape| shape.dim.iter().map(|dim| dim.size).collect()),
    }
}

fn endpoint(
    address: &Address,
    deadline: Duration,
) -> Result<(Endpoint, Arc<AtomicU64>), tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{}", authority(address)))?;
    Ok((endpoint.connect_timeout(deadline), Arc::default()))
}

fn connector(
    dial: Dialler,
    dialled: &Arc<AtomicU64>,
) -> impl Service<Uri, Response = TokioIo<Stream>, Error = io::Error, Future: Send> + Send + 'static
{
    let dialled = Arc::clone(dialled);
    service_fn(move |_: Uri| {
        dialled.fetch_add(1, Ordering::Relaxed);
        let stream = dial();
        async move { stream.await.map(TokioIo::new) }
    })
}

/// What the server is called in `:authority`; a Unix socket has no name.
fn authority(address: &Address) -> String {
    match address {
        Address::Tcp(..) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}
