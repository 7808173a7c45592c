//! What is wrong with the outputs that a probe saw.

use super::Questions;
use super::probe::{INPUTS, Probe, ProbedOutput};
use crate::report::{Category, Finding};

impl Probe {
    /// What is wrong with the outputs.
    pub(super) fn findings(&self, questions: &Questions) -> Vec<Finding> {
        let again = |output: &ProbedOutput| {
            let version = questions.version.unwrap_or(0);
            let reach = questions.reach();
            reach.probe(&questions.model, version, &output.signature)
        };
        let finding = |output: &ProbedOutput, rule: &str, category, certain, line| Finding {
            rule: rule.to_owned(),
            model: questions.model.clone(),
            version: self.version,
            category,
            certain,
            evidence: vec![line],
            confirm: again(output),
        };
        let mut found = Vec::new();
        for output in &self.outputs {
            let name = self.named(output);
            // A class id may well be one for eight inputs out of nowhere.
            let flat = output.real && output.distinct == 1 && output.inputs == INPUTS;
            if output.non_finite > 0 {
                let line = format!("{name} holds NaN or infinity");
                // One may be the logarithm of the zeros that were sent.
                let certain = output.non_finite > 1;
                found.push(finding(output, "D21", Category::Runtime, certain, line));
            } else if flat && output.follows_batch == Some(false) {
                let line = format!(
                    "{name} is the same for {INPUTS} distinct inputs, zeros and ones among them, and does not follow a batch: the graph does not read its input"
                );
                found.push(finding(output, "D5", Category::Signature, false, line));
            } else if flat {
                let line = format!(
                    "{name} is the same for {INPUTS} distinct inputs, zeros and ones among them"
                );
                found.push(finding(output, "D20", Category::Training, false, line));
            }
            if let Some(input) = output.echo_of.as_ref().filter(|_| self.is_alone(output)) {
                let line = format!("{name} equals input `{input}` in every call");
                found.push(finding(output, "D6", Category::Signature, true, line));
            }
            if output.repeats == Some(false) {
                let line = format!("{name} differs for the same input");
                found.push(finding(output, "D25", Category::Runtime, true, line));
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
