//! Servers that are slow, speak something else, or have other signatures and versions.

use super::questions;
use flatline::config::Address;
use flatline::demo::server::{ModelServer, metadata};
use flatline::doctor::{Examination, Questions, examine, text};
use flatline::proto::tensorflow::serving::model_service_server::{
    ModelService, ModelServiceServer,
};
use flatline::proto::tensorflow::serving::prediction_service_server::{
    PredictionService, PredictionServiceServer,
};
use flatline::proto::tensorflow::serving::{
    GetModelMetadataRequest, GetModelMetadataResponse, GetModelStatusRequest,
    GetModelStatusResponse, ModelSpec, ModelVersionStatus, PredictRequest, PredictResponse,
    model_spec::VersionChoice,
};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{SignatureDef, TensorInfo, TensorShapeProto};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Versions 3 and 4 of a model `m` that gives its input `x` back, doubled.
#[derive(Clone, Default)]
struct Doubling {
    signatures: Vec<&'static str>,
    /// One of them, whose outputs are always 0.
    flat: &'static str,
    /// What every answer takes.
    delay: Duration,
}

impl Doubling {
    async fn spawn(self) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(PredictionServiceServer::new(self.clone()))
                .add_service(ModelServiceServer::new(self))
                .serve_with_incoming(TcpIncoming::from(listener)),
        );
        Address::Tcp("127.0.0.1".to_owned(), port)
    }

    /// The model as answered, after the delay.
    async fn found(&self, spec: Option<ModelSpec>) -> Result<ModelSpec, Status> {
        tokio::time::sleep(self.delay).await;
        let mut spec = spec.unwrap_or_default();
        let version = match spec.version_choice {
            None => 4,
            Some(VersionChoice::Version(version @ 3..=4)) => version,
            _ => return Err(Status::not_found("Servable not found for request")),
        };
        spec.version_choice = Some(VersionChoice::Version(version));
        Ok(spec)
    }
}

#[tonic::async_trait]
impl PredictionService for Doubling {
    async fn predict(
        &self,
        request: Request<PredictRequest>,
    ) -> Result<Response<PredictResponse>, Status> {
        let request = request.into_inner();
        let spec = self.found(request.model_spec).await?;
        let (factor, more) = if spec.signature_name == self.flat {
            (0.0, 0.4)
        } else {
            (2.0, 0.0)
        };
        let mut outputs = request.inputs;
        let mut y = outputs.remove("x").expect("an input x");
        y.float_val
            .iter_mut()
            .for_each(|value| *value = *value * factor + more);
        outputs.insert("y".to_owned(), y);
        Ok(Response::new(PredictResponse {
            outputs,
            model_spec: Some(spec),
        }))
    }

    async fn get_model_metadata(
        &self,
        request: Request<GetModelMetadataRequest>,
    ) -> Result<Response<GetModelMetadataResponse>, Status> {
        let spec = self.found(request.into_inner().model_spec).await?;
        let sizes = [-1, 4].map(|size| Dim {
            size,
            name: String::new(),
        });
        let tensor = TensorInfo {
            dtype: 1,
            tensor_shape: Some(TensorShapeProto {
                dim: sizes.to_vec(),
                unknown_rank: false,
            }),
            encoding: None,
        };
        let signature = SignatureDef {
            inputs: [("x".to_owned(), tensor.clone())].into(),
            outputs: [("y".to_owned(), tensor)].into(),
            method_name: "tensorflow/serving/predict".to_owned(),
        };
        let named = |name: &&str| ((*name).to_owned(), signature.clone());
        let signatures = self.signatures.iter().map(named).collect();
        Ok(Response::new(metadata(spec, signatures)))
    }
}

#[tonic::async_trait]
impl ModelService for Doubling {
    async fn get_model_status(
        &self,
        _: Request<GetModelStatusRequest>,
    ) -> Result<Response<GetModelStatusResponse>, Status> {
        tokio::time::sleep(self.delay).await;
        let status = |version| ModelVersionStatus {
            version,
            state: 30,
            status: None,
        };
        Ok(Response::new(GetModelStatusResponse {
            model_version_status: [3, 4].map(status).to_vec(),
        }))
    }
}

async fn examined(questions: &Questions) -> Examination {
    examine(questions).await.expect("answers")
}

#[tokio::test]
async fn each_signature_is_called_where_none_is_the_default() {
    let server = Doubling {
        signatures: vec!["a", "b"],
        flat: "b",
        ..Doubling::default()
    };
    let mut questions = questions(server.spawn().await, "m");
    let found = examined(&questions).await;
    let probe = found.probe.as_ref().expect("a probe");
    assert_eq!(probe.signatures, ["a", "b"]);
    assert_eq!((probe.calls, probe.outputs.len()), (20, 2));
    let said = text(&found);
    assert!(said.contains("output y of a: 8 distinct for 8"), "{said}");
    assert_eq!(found.findings.len(), 1, "{said}");
    let finding = &found.findings[0];
    assert_eq!(finding.rule, "D20");
    assert!(finding.evidence[0].starts_with("output `y` of `b` is the same"));
    assert!(finding.confirm.ends_with("--signature 'b' --probe"));

    questions.signature = Some("a".to_owned());
    let found = examined(&questions).await;
    assert!(found.findings.is_empty(), "{}", text(&found));
    let probe = found.probe.as_ref().expect("a probe");
    assert_eq!(
        (probe.calls, &probe.left_out[..]),
        (10, &["b".to_owned()][..])
    );
    assert!(text(&found).contains("not called: `b`"));

    questions.signature = Some("c".to_owned());
    let error = examine(&questions).await.expect_err("none of that name");
    let said = error.to_string();
    assert!(said.contains("no signature `c`; it has `a`, `b`"), "{said}");
}

#[tokio::test]
async fn no_more_than_four_signatures_are_called() {
    let server = Doubling {
        signatures: vec!["a", "b", "c", "d", "e"],
        ..Doubling::default()
    };
    let found = examined(&questions(server.spawn().await, "m")).await;
    let probe = found.probe.as_ref().expect("a probe");
    assert_eq!(
        (probe.calls, &probe.left_out[..]),
        (40, &["e".to_owned()][..])
    );
    // The one that calls without a name get is enough.
    let server = Doubling {
        signatures: vec!["a", "serving_default"],
        ..Doubling::default()
    };
    let found = examined(&questions(server.spawn().await, "m")).await;
    let probe = found.probe.expect("a probe");
    assert_eq!(
        (probe.calls, &probe.signatures[..]),
        (10, &["serving_default".to_owned()][..])
    );
}

#[tokio::test]
async fn a_version_is_asked_by_its_number() {
    let server = Doubling {
        signatures: vec!["serving_default"],
        ..Doubling::default()
    };
    let mut questions = questions(server.spawn().await, "m");
    questions.version = Some(3);
    let found = examined(&questions).await;
    assert_eq!(found.version, Some(3));
    assert_eq!(
        found.probe.as_ref().and_then(|probe| probe.version),
        Some(3)
    );
    assert!(found.findings.is_empty(), "{}", text(&found));
    assert!(text(&found).contains("version 3 by number (asked by the doctor)"));
    questions.version = Some(7);
    let said = examine(&questions).await.expect_err("no such").to_string();
    assert!(said.contains("no version 7 that answers"), "{said}");
    assert!(
        said.contains("version 4 AVAILABLE, version 3 AVAILABLE"),
        "{said}"
    );
}

#[tokio::test]
async fn a_slow_server_does_not_make_the_doctor_slow() {
    let server = Doubling {
        signatures: vec!["a", "b"],
        delay: Duration::from_millis(400),
        ..Doubling::default()
    };
    let mut questions = questions(server.spawn().await, "m");
    questions.timeout = Duration::from_secs(1);
    let begun = Instant::now();
    let found = examined(&questions).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{begun:?}");
    let probe = found.probe.as_ref().expect("a probe");
    let stopped = probe.stopped.as_deref().expect("was cut short");
    assert!(
        stopped.contains("within 1s for the whole (--timeout)"),
        "{stopped}"
    );
    assert_eq!(probe.left_out, ["b"]);
    assert!(text(&found).contains("nothing found, as far as the probe could ask"));
    questions.timeout = Duration::from_millis(100);
    let error = examine(&questions).await.expect_err("too slow");
    assert!(error.to_string().contains("within 100ms"), "{error}");
}

/// Answers everything with these bytes.
async fn answering(bytes: &'static [u8]) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    Address::Tcp("127.0.0.1".to_owned(), port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_speaks_something_else_is_no_server() {
    for bytes in [
        &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
        b"HTTP/1.0 505 HTTP Version Not Supported\r\nConnection: close\r\n\r\n<html></html>",
        // A TLS alert, and nothing at all.
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"",
    ] {
        let address = answering(bytes).await;
        let error = examine(&questions(address.clone(), "m")).await;
        let said = error.expect_err("no gRPC").to_string();
        let told = String::from_utf8_lossy(bytes);
        assert!(said.contains("does not speak gRPC here"), "{told}: {said}");
        assert!(said.contains("8501 is REST"), "{told}: {said}");
        let mut doctor = Command::new(env!("CARGO_BIN_EXE_flatline"));
        doctor.args(["doctor", "--upstream", &address.to_string()]);
        let run = tokio::task::spawn_blocking(move || doctor.output());
        let output = run.await.expect("ends").expect("runs");
        assert_eq!(output.status.code(), Some(69), "{told}");
    }
}

#[tokio::test]
async fn an_input_keeps_the_value_that_is_set() {
    let server = ModelServer::spawn().await.expect("a server");
    let asked = |value: &str| Questions {
        set: [("pixels".to_owned(), value.to_owned())].into(),
        ..questions(server.address(), "digits")
    };
    let found = examine(&asked("0.25")).await.expect("answers");
    // Eight calls with one input say nothing of how outputs follow inputs.
    assert!(found.findings.is_empty(), "{:?}", found.findings);
    let output = &found.probe.expect("a probe").outputs[0];
    assert_eq!((output.inputs, output.distinct), (1, 1));
    let found = examine(&asked("much")).await.expect("answers");
    let stopped = found.probe.expect("a probe").stopped.expect("why");
    assert!(
        stopped.contains(
            "input `pixels` is DT_FLOAT, and `much` is no value of it (example: --set pixels=0.5)"
        ),
        "{stopped}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_ends_with_64() {
    let server = ModelServer::spawn().await.expect("a server");
    for (flags, words) in [
        (&["--version", "9"][..], "no version 9"),
        (&["--probe", "--signature", "x"], "no signature `x`"),
        (
            &["--probe", "--set", "x=1"],
            "`digits` has no input `x`; it has `pixels`",
        ),
        (&["--timeout", "0s"], "--timeout has to be more than 0"),
    ] {
        let mut doctor = Command::new(env!("CARGO_BIN_EXE_flatline"));
        doctor.args(["doctor", "--model", "digits", "--upstream"]);
        doctor.arg(server.address().to_string()).args(flags);
        let run = tokio::task::spawn_blocking(move || doctor.output());
        let output = run.await.expect("ends").expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
