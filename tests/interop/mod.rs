//! gRPC's interoperability cases with tonic at both ends, as its "interop test descriptions" word
//! them; sizes, texts and names are theirs. The same with the C core: `tests/interop/run`.

#[allow(clippy::all, missing_docs, unreachable_pub)]
mod pb {
    tonic::include_proto!("grpc.testing");
}
mod service;

use flatline::app::{self, Running};
use flatline::config::{Address, Config, Raw};
use pb::test_service_client::TestServiceClient;
use pb::test_service_server::TestServiceServer;
use service::{INITIAL, Service, TRAILING, payload};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request};

const LARGE_REQUEST: i32 = 271_828;
const LARGE_REPLY: i32 = 314_159;
const SENT: [i32; 4] = [27_182, 8, 1_828, 45_904];
const WANTED: [i32; 4] = [31_415, 9, 2_653, 58_979];

/// A server, and the proxy in front of it.
struct Setup {
    proxy: Running,
    begun: mpsc::UnboundedReceiver<()>,
    given_up: mpsc::UnboundedReceiver<()>,
}

impl Setup {
    async fn start() -> Setup {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (tell_begun, begun) = mpsc::unbounded_channel();
        let (tell_given_up, given_up) = mpsc::unbounded_channel();
        let service = TestServiceServer::new(Service {
            begun: tell_begun,
            given_up: tell_given_up,
        });
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

        let mut config = Config::check(&Raw::default()).expect("defaults are right");
        config.listen = Address::Tcp("127.0.0.1".to_owned(), 0);
        config.admin = Address::Tcp("127.0.0.1".to_owned(), 0);
        config.upstream = Address::Tcp("127.0.0.1".to_owned(), port);
        let proxy = app::start(config).await.expect("the proxy starts");
        Setup {
            proxy,
            begun,
            given_up,
        }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.proxy.listen));
        let channel = endpoint.expect("an address").connect().await;
        channel.expect("the proxy listens")
    }

    async fn client(&self) -> TestServiceClient<Channel> {
        TestServiceClient::new(self.channel().await)
    }
}

fn large() -> pb::SimpleRequest {
    pb::SimpleRequest {
        response_size: LARGE_REPLY,
        payload: payload(LARGE_REQUEST),
        response_status: None,
    }
}

fn duplex(sent: i32, wanted: &[i32]) -> pb::StreamingOutputCallRequest {
    let parameters = wanted.iter().map(|size| pb::ResponseParameters {
        size: *size,
        interval_us: 0,
    });
    pb::StreamingOutputCallRequest {
        response_parameters: parameters.collect(),
        payload: payload(sent),
        response_status: None,
    }
}

fn size(payload: Option<&pb::Payload>) -> i32 {
    let size = payload.expect("a payload").body.len();
    i32::try_from(size).expect("a size")
}

#[tokio::test]
async fn empty_unary_and_large_unary() {
    let setup = Setup::start().await;
    let mut client = setup.client().await;
    let reply = client.empty_call(pb::Empty {}).await.expect("a reply");
    assert_eq!(reply.into_inner(), pb::Empty {});
    let reply = client.unary_call(large()).await.expect("a reply");
    assert_eq!(reply.into_inner().payload, payload(LARGE_REPLY));
}

#[tokio::test]
async fn client_streaming_and_server_streaming() {
    let setup = Setup::start().await;
    let mut client = setup.client().await;
    let requests = SENT.map(|size| pb::StreamingInputCallRequest {
        payload: payload(size),
    });
    let reply = client.streaming_input_call(tokio_stream::iter(requests));
    let reply = reply.await.expect("a reply").into_inner();
    assert_eq!(reply.aggregated_payload_size, 74_922);
    let replies = client.streaming_output_call(duplex(0, &WANTED)).await;
    let mut replies = replies.expect("replies").into_inner();
    for wanted in WANTED {
        let reply = replies.message().await.expect("no error").expect("a reply");
        assert_eq!(reply.payload, payload(wanted));
    }
    assert_eq!(replies.message().await.expect("no error"), None);
}

#[tokio::test]
async fn ping_pong_and_empty_stream() {
    let setup = Setup::start().await;
    let mut client = setup.client().await;
    let (send, requests) = mpsc::unbounded_channel();
    let replies = client.full_duplex_call(UnboundedReceiverStream::new(requests));
    let mut replies = replies.await.expect("replies").into_inner();
    for (sent, wanted) in SENT.into_iter().zip(WANTED) {
        send.send(duplex(sent, &[wanted])).expect("it is open");
        // Before the next is sent: the reply passes while the client's half is open.
        let reply = replies.message().await.expect("no error").expect("a reply");
        assert_eq!(size(reply.payload.as_ref()), wanted);
    }
    drop(send);
    assert_eq!(replies.message().await.expect("no error"), None);

    let replies = client.full_duplex_call(tokio_stream::empty()).await;
    let mut replies = replies.expect("replies").into_inner();
    assert_eq!(replies.message().await.expect("no error"), None);
}

#[tokio::test]
async fn timeout_on_sleeping_server() {
    let setup = Setup::start().await;
    let mut client = setup.client().await;
    // tonic watches the time until the headers of the reply, so that is where the server sleeps.
    let mut message = duplex(SENT[0], &[1]);
    message.response_parameters[0].interval_us = i32::MAX;
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_millis(1));
    let status = client.streaming_output_call(request).await;
    let status = status.expect_err("it sleeps for half an hour");
    // tonic's own timer says "cancelled", its server's says "deadline exceeded": one of both is first.
    let late = [Code::DeadlineExceeded, Code::Cancelled];
    assert!(late.contains(&status.code()), "{status:?}");
}

#[tokio::test]
async fn cancel_after_begin() {
    let mut setup = Setup::start().await;
    let mut client = setup.client().await;
    let (send, requests) = mpsc::unbounded_channel();
    send.send(pb::StreamingInputCallRequest {
        payload: payload(1),
    })
    .expect("it is open");
    let call = client.streaming_input_call(UnboundedReceiverStream::new(requests));
    // tonic's client cancels when the call is dropped.
    tokio::select! {
        _ = call => panic!("nobody answers an open stream"),
        begun = setup.begun.recv() => assert_eq!(begun, Some(())),
    }
    assert_eq!(
        setup.given_up.recv().await,
        Some(()),
        "the server hears of it"
    );
}

#[tokio::test]
async fn cancel_after_first_response() {
    let mut setup = Setup::start().await;
    let mut client = setup.client().await;
    // Far more than any window behind the first: it cannot have ended by itself.
    let mut wanted = vec![WANTED[0]];
    wanted.resize(1_000, 1 << 20);
    let requests = tokio_stream::once(duplex(SENT[0], &wanted));
    let replies = client.full_duplex_call(requests).await;
    let mut replies = replies.expect("replies").into_inner();
    let reply = replies.message().await.expect("no error").expect("a reply");
    assert_eq!(size(reply.payload.as_ref()), WANTED[0]);
    // tonic's client cancels when the replies are dropped.
    drop(replies);
    assert_eq!(
        setup.given_up.recv().await,
        Some(()),
        "the server hears of it"
    );
}

#[tokio::test]
async fn status_code_and_message_and_special_status_message() {
    let setup = Setup::start().await;
    let mut client = setup.client().await;
    for message in [
        "test status message",
        "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n",
    ] {
        let wanted = Some(pb::EchoStatus {
            code: 2,
            message: message.to_owned(),
        });
        let request = pb::SimpleRequest {
            response_status: wanted.clone(),
            ..large()
        };
        let unary = client.unary_call(request).await.expect_err("a status");
        let request = pb::StreamingOutputCallRequest {
            response_status: wanted,
            ..duplex(1, &[])
        };
        let replies = client.full_duplex_call(tokio_stream::once(request)).await;
        let mut replies = replies.expect("replies").into_inner();
        let stream = replies.message().await.expect_err("a status");
        for status in [unary, stream] {
            assert_eq!(status.code(), Code::Unknown);
            assert_eq!(status.message(), message);
        }
    }
}

#[tokio::test]
async fn custom_metadata() {
    let setup = Setup::start().await;
    let mut client = setup.client().await;
    let text = "test_initial_metadata_value";
    let binary = MetadataValue::from_bytes(&[0xab; 3]);
    let mut request = Request::new(large());
    request
        .metadata_mut()
        .insert(INITIAL, text.parse().expect("text"));
    let unary = client.unary_call(request).await.expect("a reply");
    assert_eq!(unary.metadata().get(INITIAL).expect("metadata"), text);

    let message = duplex(LARGE_REQUEST, &[LARGE_REPLY]);
    let mut request = Request::new(tokio_stream::once(message));
    request
        .metadata_mut()
        .insert(INITIAL, text.parse().expect("text"));
    request.metadata_mut().insert_bin(TRAILING, binary.clone());
    let replies = client.full_duplex_call(request).await.expect("replies");
    assert_eq!(replies.metadata().get(INITIAL).expect("metadata"), text);
    let mut replies = replies.into_inner();
    let reply = replies.message().await.expect("no error").expect("a reply");
    assert_eq!(size(reply.payload.as_ref()), LARGE_REPLY);
    assert_eq!(replies.message().await.expect("no error"), None);
    let trailers = replies.trailers().await.expect("no error");
    let trailers = trailers.expect("trailers");
    assert_eq!(trailers.get_bin(TRAILING), Some(&binary));
}

#[tokio::test]
async fn unimplemented_method_and_unimplemented_service() {
    let setup = Setup::start().await;
    for path in [
        "/grpc.testing.TestService/UnimplementedCall",
        "/grpc.testing.UnimplementedService/UnimplementedCall",
    ] {
        let mut client = tonic::client::Grpc::new(setup.channel().await);
        client.ready().await.expect("a connection");
        let codec = tonic_prost::ProstCodec::<pb::Empty, pb::Empty>::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let reply = client.unary(Request::new(pb::Empty {}), path, codec).await;
        assert_eq!(reply.expect_err("a status").code(), Code::Unimplemented);
    }
}

#[tokio::test]
async fn rpc_soak_and_channel_soak() {
    let setup = Setup::start().await;
    let mut client = setup.client().await;
    for n in 0..300 {
        if n % 6 == 0 {
            client = setup.client().await;
        }
        let reply = client.unary_call(large()).await.expect("a reply");
        assert_eq!(size(reply.into_inner().payload.as_ref()), LARGE_REPLY);
    }
}
