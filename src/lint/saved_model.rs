//! What the graph says: tags, assets, signatures, and outputs that cannot follow their inputs.

use super::{Report, Signature, Tensor};
use crate::codec::predict::DEFAULT_SIGNATURE;
use crate::proto::tensorflow::{MetaGraphDef, SavedModel, SignatureDef, TensorInfo};
use crate::saved_model::{Flow, describe, serving, tensor_name};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// Nodes times inputs that are followed in one version: some seconds.
const MOST_WORK: usize = 10_000_000;

pub(super) fn check(report: &mut Report, folder: &Path, model: &SavedModel) {
    let Some(graph) = serving(model) else {
        let tags: Vec<_> = model
            .meta_graphs
            .iter()
            .map(|graph| {
                let tags = graph.meta_info_def.as_ref().map(|info| info.tags.join(","));
                format!("\"{}\"", tags.unwrap_or_default())
            })
            .collect();
        let message = if tags.is_empty() {
            "has no graph".to_owned()
        } else {
            format!(
                "has no graph with the tag \"serve\" alone, only {}: the server does not load it without --saved_model_tags",
                tags.join(", ")
            )
        };
        report.problem("no-serve-tag", folder, message);
        return;
    };
    for asset in &graph.asset_file_def {
        let file = folder.join("assets").join(&asset.filename);
        if !file.exists() {
            let message = format!("the asset assets/{} is missing", asset.filename);
            report.problem("asset-missing", folder, message);
        }
    }
    let signatures: BTreeMap<_, _> = graph
        .signature_def
        .iter()
        // Only how the model is restored, nothing that a client could call.
        .filter(|(name, _)| !name.starts_with("__saved_model"))
        .collect();
    if signatures.is_empty() {
        report.problem(
            "no-signature",
            folder,
            "has no signature, so that no call finds one",
        );
    } else if !signatures.contains_key(&DEFAULT_SIGNATURE.to_owned()) {
        let message = "has no signature \"serving_default\": calls that name no signature fail";
        report.warning("no-default-signature", folder, message);
    }
    let mut budget = MOST_WORK;
    for (name, signature) in signatures {
        report.signatures.push(Signature {
            path: folder.to_owned(),
            name: name.clone(),
            inputs: tensors(&signature.inputs),
            outputs: tensors(&signature.outputs),
        });
        follow(report, folder, graph, name, signature, &mut budget);
    }
}

fn tensors(infos: &HashMap<String, TensorInfo>) -> Vec<Tensor> {
    let mut tensors: Vec<_> = infos
        .iter()
        .map(|(name, info)| Tensor {
            name: name.clone(),
            tensor: describe(info),
        })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

/// Says which outputs cannot follow the inputs, where the graph makes that plain.
fn follow(
    report: &mut Report,
    folder: &Path,
    graph: &MetaGraphDef,
    name: &str,
    signature: &SignatureDef,
    budget: &mut usize,
) {
    let named = |infos: &'_ HashMap<String, TensorInfo>| {
        let mut names: Vec<(String, Option<String>)> = infos
            .iter()
            .map(|(name, info)| (name.clone(), tensor_name(info).map(str::to_owned)))
            .collect();
        names.sort();
        names
    };
    let (inputs, outputs) = (named(&signature.inputs), named(&signature.outputs));
    let tensors = |named: &[(String, Option<String>)]| -> Option<Vec<String>> {
        named.iter().map(|(_, tensor)| tensor.clone()).collect()
    };
    let (Some(from), Some(to)) = (tensors(&inputs), tensors(&outputs)) else {
        return;
    };
    if from.is_empty() || to.is_empty() {
        return;
    }
    fn refs(names: &[String]) -> Vec<&str> {
        names.iter().map(String::as_str).collect()
    }
    if let Some(graph) = &graph.graph_def {
        let nodes: HashSet<&str> = graph.node.iter().map(|node| node.name.as_str()).collect();
        let all = inputs.iter().map(|named| ("input", named));
        for (side, (key, tensor)) in all.chain(outputs.iter().map(|named| ("output", named))) {
            let node = tensor.as_deref().unwrap_or_default();
            let node = node.split(':').next().unwrap_or_default();
            if !nodes.contains(node) {
                let message = format!(
                    "signature \"{name}\": the {side} \"{key}\" is the tensor of a node \"{node}\" that the graph does not have: every call of it fails"
                );
                report.problem("tensor-missing", folder, message);
            }
        }
    }
    let nodes = graph.graph_def.as_ref().map_or(0, |graph| graph.node.len());
    let work = nodes.saturating_mul(from.len());
    if *budget < work {
        let message = format!(
            "signature \"{name}\": {} inputs in a graph of {nodes} nodes are too many to be followed to the outputs",
            from.len()
        );
        report.warning("unread", folder, message);
        return;
    }
    *budget -= work;
    let flow = graph.graph_def.as_ref().and_then(Flow::new);
    let Some(follows) = flow.and_then(|flow| flow.follows(&refs(&from), &refs(&to))) else {
        return;
    };
    let any = follows.iter().flatten().any(|follows| *follows);
    for ((output, _), follows) in outputs.iter().zip(&follows) {
        if !follows.contains(&true) {
            let message = format!(
                "signature \"{name}\": the output \"{output}\" is computed without any of its inputs, so it is the same for all"
            );
            // Beside others it may be meant, as a list of labels is.
            if any {
                report.warning("output-ignores-inputs", folder, message);
            } else {
                report.problem("output-ignores-inputs", folder, message);
            }
        }
    }
    // Where no output follows any input, that is said already.
    if !any {
        return;
    }
    for (i, (input, _)) in inputs.iter().enumerate() {
        if !follows.iter().any(|follows| follows[i]) {
            let message =
                format!("signature \"{name}\": no output is computed from the input \"{input}\"");
            report.warning("input-unused", folder, message);
        }
    }
}
