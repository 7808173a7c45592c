//! The doctor tells a healthy server from a flat one.

use flatline::demo::server::{Fault, ModelServer};
use flatline::doctor::{Examination, Questions, examine};

async fn examined(fault: Fault, model: &str) -> Examination {
    let server = ModelServer::spawn().await.expect("a server");
    server.set(fault);
    let questions = Questions {
        upstream: server.address(),
        model: model.to_owned(),
        model_dir: None,
        probe: true,
    };
    examine(&questions).await.expect("answers")
}

#[tokio::test]
async fn a_healthy_model_has_no_findings() {
    let found = examined(Fault::None, "digits").await;
    assert!(found.findings.is_empty(), "{}", found.text);
    for part in [
        "version 1 AVAILABLE",
        "input   pixels: DT_FLOAT [?, 64]",
        "output probabilities: 8 distinct, repeats",
    ] {
        assert!(
            found.text.contains(part),
            "`{part}` is not in:\n{}",
            found.text
        );
    }
}

#[tokio::test]
async fn a_flat_model_and_a_missing_one_are_found() {
    let flat = examined(Fault::Constant, "digits").await;
    assert!(
        flat.findings[0].contains("is the same for 8 distinct inputs"),
        "{:?}",
        flat.findings
    );
    let nan = examined(Fault::Nan, "digits").await;
    assert!(
        nan.findings.iter().any(|f| f.starts_with("D21")),
        "{:?}",
        nan.findings
    );
    let missing = examined(Fault::None, "nobody").await;
    assert!(
        missing.findings[0].contains("does not know this model"),
        "{:?}",
        missing.findings
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_said_to_be() {
    let questions = Questions {
        upstream: "127.0.0.1:1".parse().expect("an address"),
        model: "m".to_owned(),
        model_dir: None,
        probe: false,
    };
    let error = examine(&questions).await.expect_err("nobody there");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}
