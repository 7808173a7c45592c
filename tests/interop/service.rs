//! The server of the cases, as their descriptions ask for one.

use super::pb;
use pb::test_service_server::TestService;
use std::pin::Pin;
use std::time::Duration;
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};

pub(super) const INITIAL: &str = "x-grpc-test-echo-initial";
pub(super) const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// Tells on its channels of each client's stream that has begun, and of each that was given up.
pub(super) struct Service {
    pub(super) begun: tokio::sync::mpsc::UnboundedSender<()>,
    pub(super) given_up: tokio::sync::mpsc::UnboundedSender<()>,
}

type Replies = Pin<Box<dyn Stream<Item = Result<pb::StreamingOutputCallResponse, Status>> + Send>>;

pub(super) fn payload(size: i32) -> Option<pb::Payload> {
    let size = usize::try_from(size).expect("a size");
    let body = vec![0; size];
    Some(pb::Payload { body })
}

fn check(status: Option<&pb::EchoStatus>) -> Result<(), Status> {
    match status {
        None => Ok(()),
        Some(status) => Err(Status::new(Code::from(status.code), status.message.clone())),
    }
}

fn echo<T>(sent: &MetadataMap, reply: T) -> Response<T> {
    let mut response = Response::new(reply);
    if let Some(value) = sent.get(INITIAL) {
        response.metadata_mut().insert(INITIAL, value.clone());
    }
    response
}

/// tonic's server has no way to send trailers with a good status: the case is about their value,
/// so it stands in the status, whose metadata are trailers.
fn trailing(sent: &MetadataMap) -> Option<Status> {
    let value = sent.get_bin(TRAILING)?;
    let mut metadata = MetadataMap::new();
    metadata.insert_bin(TRAILING, value.clone());
    Some(Status::with_metadata(Code::Ok, "", metadata))
}

#[tonic::async_trait]
impl TestService for Service {
    async fn empty_call(&self, _: Request<pb::Empty>) -> Result<Response<pb::Empty>, Status> {
        Ok(Response::new(pb::Empty {}))
    }

    async fn unary_call(
        &self,
        request: Request<pb::SimpleRequest>,
    ) -> Result<Response<pb::SimpleResponse>, Status> {
        check(request.get_ref().response_status.as_ref())?;
        let payload = payload(request.get_ref().response_size);
        Ok(echo(request.metadata(), pb::SimpleResponse { payload }))
    }

    type StreamingOutputCallStream = Replies;

    async fn streaming_output_call(
        &self,
        request: Request<pb::StreamingOutputCallRequest>,
    ) -> Result<Response<Replies>, Status> {
        let request = request.into_inner();
        let first = request.response_parameters.first();
        let sleep = first.map_or(0, |wanted| wanted.interval_us.unsigned_abs());
        tokio::time::sleep(Duration::from_micros(sleep.into())).await;
        Ok(Response::new(Box::pin(replies(request))))
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<pb::StreamingInputCallRequest>>,
    ) -> Result<Response<pb::StreamingInputCallResponse>, Status> {
        // tonic shows a cancelled stream as one that ended, so every end is told.
        let _tell = Tell(Some(self.given_up.clone()));
        let mut requests = request.into_inner();
        let mut sum = 0;
        while let Some(request) = requests.message().await? {
            let _ = self.begun.send(());
            sum += request.payload.unwrap_or_default().body.len();
        }
        let aggregated_payload_size = i32::try_from(sum).expect("a size");
        Ok(Response::new(pb::StreamingInputCallResponse {
            aggregated_payload_size,
        }))
    }

    type FullDuplexCallStream = Replies;

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<pb::StreamingOutputCallRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let tell = Tell(Some(self.given_up.clone()));
        let metadata = request.metadata().clone();
        let last = trailing(&metadata).map(Err);
        let mut requests = request.into_inner();
        let (out, all) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                if let Err(status) = check(request.response_status.as_ref()) {
                    let _ = out.send(Err(status)).await;
                    break;
                }
                let mut replies = replies(request);
                while let Some(reply) = replies.next().await {
                    if out.send(reply).await.is_err() {
                        return;
                    }
                }
            }
            if let Some(last) = last {
                let _ = out.send(last).await;
            }
            tell.nothing();
        });
        let all = tokio_stream::wrappers::ReceiverStream::new(all);
        Ok(echo(&metadata, Box::pin(all)))
    }
}

fn replies(
    request: pb::StreamingOutputCallRequest,
) -> impl Stream<Item = Result<pb::StreamingOutputCallResponse, Status>> {
    let wanted = request.response_parameters.into_iter();
    tokio_stream::iter(wanted.map(|wanted| {
        let payload = payload(wanted.size);
        Ok(pb::StreamingOutputCallResponse { payload })
    }))
}

/// Tells when it is dropped, unless there is nothing to tell any more.
struct Tell(Option<tokio::sync::mpsc::UnboundedSender<()>>);

impl Tell {
    fn nothing(mut self) {
        self.0 = None;
    }
}

impl Drop for Tell {
    fn drop(&mut self) {
        if let Some(tell) = &self.0 {
            let _ = tell.send(());
        }
    }
}
