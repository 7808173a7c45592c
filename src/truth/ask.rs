//! What the server says of itself: GetModelStatus and GetModelMetadata, with a deadline, on a
//! connection of our own.

use crate::config::Address;
use crate::diagnose::facts::VersionStatus;
use crate::net;
use crate::proto::tensorflow::SignatureDef;
use crate::proto::tensorflow::serving::model_service_client::ModelServiceClient;
use crate::proto::tensorflow::serving::model_version_status::State;
use crate::proto::tensorflow::serving::prediction_service_client::PredictionServiceClient;
use crate::proto::tensorflow::serving::{
    GetModelMetadataRequest, GetModelStatusRequest, ModelSpec, PredictRequest, PredictResponse,
    SignatureDefMap, model_spec,
};
use hyper_util::rt::TokioIo;
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower::service_fn;

/// Most bytes of an answer.
const LARGEST: usize = 64 << 20;

/// A model server that is asked.
#[derive(Debug, Clone)]
pub struct Server {
    channel: Channel,
    deadline: Duration,
}

/// The signatures of the version that answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Signatures {
    /// That version.
    pub version: i64,
    /// By name.
    pub by_name: BTreeMap<String, SignatureDef>,
}

impl Server {
    /// Connects; every question has `deadline` for its answer.
    ///
    /// # Errors
    /// When no connection comes about.
    pub async fn connect(
        address: &Address,
        deadline: Duration,
    ) -> Result<Self, tonic::transport::Error> {
        let (uri, address) = (format!("http://{}", authority(address)), address.clone());
        let connector = service_fn(move |_| {
            let address = address.clone();
            async move { net::connect(&address).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_shared(uri)?.connect_timeout(deadline);
        Ok(Server {
            channel: endpoint.connect_with_connector(connector).await?,
            deadline,
        })
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

    /// The signatures of the newest version.
    ///
    /// # Errors
    /// The server's own status, or INTERNAL where its answer is no signature map.
    pub async fn signatures(&self, model: &str) -> Result<Signatures, Status> {
        let spec = ModelSpec {
            name: model.to_owned(),
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

/// What the server is called in `:authority`; a Unix socket has no name.
fn authority(address: &Address) -> String {
    match address {
        Address::Tcp(..) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}
