//! The demonstration tells every fault by its name, and health from faults.

use flatline::demo::server::Fault;
use flatline::demo::{Outcome, Script, play};
use flatline::report::State;

async fn outcome(fault: Fault) -> Outcome {
    let script = Script {
        fault,
        healthy_rows: 800,
        faulty_rows: 800,
        rate: 0,
        seed: 7,
        keep: false,
    };
    play(script).await.expect("the demonstration runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn health_stays_quiet() {
    let outcome = outcome(Fault::None).await;
    assert!(outcome.as_scripted, "{:#?}", outcome.report);
    assert!(outcome.report.transitions.is_empty());
    assert_eq!(outcome.report.observed.rows, 800);
    assert!(outcome.report.observed.skipped.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_found_and_named() {
    for fault in [
        Fault::Rollout,
        Fault::Constant,
        Fault::NearConstant,
        Fault::Nan,
    ] {
        let outcome = outcome(fault).await;
        assert!(outcome.as_scripted, "{fault:?}: {:#?}", outcome.report);
        assert!(
            outcome.rows_to_verdict.expect("a verdict") <= 200,
            "{fault:?}"
        );
        let states: Vec<_> = outcome.report.transitions.iter().map(|t| t.to).collect();
        assert_eq!(states, [State::Pending, State::Firing], "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_repeats_itself_is_not_the_models_fault() {
    let outcome = outcome(Fault::InputCollapse).await;
    assert!(outcome.as_scripted, "{:#?}", outcome.report);
    assert!(
        outcome
            .report
            .transitions
            .iter()
            .all(|t| t.to != State::Firing)
    );
    assert_eq!(outcome.report.series[0].causes[0].rule, "D1");
}
