//! Which outputs of a graph follow its inputs.
//!
//! An input taints what is computed from it, through calls of functions, and variables or tables
//! that are written with it. An output without taint cannot follow the input. Control edges order
//! what runs and carry no values, except between switches, which decide whether it runs at all.
//! Where that is not plain, everything is tainted: nothing is said then.

use crate::proto::tensorflow::{DataType, FunctionDef, GraphDef, NodeDef};
use std::collections::HashMap;

/// Functions that call each other deeper than this are not followed.
const DEEPEST: usize = 100;

/// Whose outputs are those of the function they call.
const CALLS: [&str; 2] = ["PartitionedCall", "StatefulPartitionedCall"];

/// These only read the variable or table that they are given, whatever else they are given.
const READERS: [&str; 5] = [
    "ReadVariableOp",
    "ResourceGather",
    "ResourceGatherNd",
    "LookupTableFind",
    "LookupTableFindV2",
];

/// What decides by a value which nodes run: then control edges tell of that value.
const SWITCHES: [&str; 4] = ["Switch", "RefSwitch", "Merge", "RefMerge"];

/// A graph whose outputs are asked about.
#[derive(Debug)]
pub struct Flow<'a> {
    graph: Body<'a>,
    functions: HashMap<&'a str, &'a FunctionDef>,
}

/// The nodes of a graph or of a function; the function's arguments come first.
#[derive(Debug, Default)]
struct Body<'a> {
    nodes: Vec<Node<'a>>,
    by_name: HashMap<&'a str, usize>,
    readers: Vec<Vec<usize>>,
    arguments: usize,
}

#[derive(Debug)]
struct Node<'a> {
    op: &'a str,
    /// Function called, for those of [`CALLS`].
    calls: Option<&'a str>,
    data: Vec<(usize, usize)>,
    control: Vec<usize>,
    /// A variable, a table, or an argument that may be one: something that can be written.
    store: bool,
    /// Stores of the same name are one.
    shared_name: &'a [u8],
}

/// What is tainted in a body.
#[derive(Debug, Clone)]
struct Taint {
    /// By node: it runs on something tainted.
    nodes: Vec<bool>,
    /// By node that calls: its outputs one by one.
    outputs: HashMap<usize, Vec<bool>>,
}

impl Taint {
    fn of(&self, (node, output): (usize, usize)) -> bool {
        match self.outputs.get(&node) {
            Some(outputs) => outputs.get(output).copied().unwrap_or(true),
            None => self.nodes[node],
        }
    }
}

/// Outputs and arguments of a function, for given arguments.
type Summary = (Vec<bool>, Vec<bool>);

impl<'a> Flow<'a> {
    /// Prepares a graph; `None` if it names nodes that it does not have.
    #[must_use]
    pub fn new(graph: &'a GraphDef) -> Option<Self> {
        let library = graph.library.as_ref();
        let functions = library.map_or(&[][..], |library| &library.function);
        Some(Flow {
            graph: Body::new(&[], &graph.node)?,
            functions: functions
                .iter()
                .filter_map(|f| Some((f.signature.as_ref()?.name.as_str(), f)))
                .collect(),
        })
    }

    /// For each output, which of the inputs it can follow; `None` where that is not plain.
    #[must_use]
    pub fn follows(&self, inputs: &[&str], outputs: &[&str]) -> Option<Vec<Vec<bool>>> {
        let place = |name: &&str| self.graph.place(name);
        let inputs: Vec<_> = inputs.iter().map(place).collect::<Option<_>>()?;
        let outputs: Vec<_> = outputs.iter().map(place).collect::<Option<_>>()?;
        let mut known = HashMap::new();
        let mut follows = vec![Vec::new(); outputs.len()];
        for input in inputs {
            let taint = self.spread(&self.graph, &[input.0], &mut known, 0)?;
            for (output, follows) in outputs.iter().zip(&mut follows) {
                follows.push(taint.of(*output));
            }
        }
        Some(follows)
    }

    /// Taints from `seeds` on, until nothing changes.
    fn spread(
        &self,
        body: &Body<'a>,
        seeds: &[usize],
        known: &mut HashMap<(&'a str, Vec<bool>), Summary>,
        depth: usize,
    ) -> Option<Taint> {
        let mut taint = Taint {
            nodes: vec![false; body.nodes.len()],
            outputs: HashMap::new(),
        };
        let mut changed: Vec<usize> = Vec::new();
        for seed in seeds {
            taint.nodes[*seed] = true;
            changed.push(*seed);
        }
        while let Some(source) = changed.pop() {
            for &reader in &body.readers[source] {
                let node = &body.nodes[reader];
                let arguments: Vec<bool> = node.data.iter().map(|edge| taint.of(*edge)).collect();
                let control = node.control.iter().any(|from| taint.nodes[*from]);
                if !control && !arguments.contains(&true) {
                    continue;
                }
                // What runs Python can keep anything anywhere, and a stage under its name alone.
                if node.op.contains("PyFunc") || node.op.ends_with("Stage") {
                    return None;
                }
                let mut written = vec![!READERS.contains(&node.op); arguments.len()];
                let mut news = !taint.nodes[reader];
                if let Some(function) = node.calls.and_then(|name| self.functions.get(name)) {
                    let arguments = if control {
                        vec![true; arguments.len()]
                    } else {
                        arguments
                    };
                    let (outputs, stores) = self.call(function, arguments, known, depth)?;
                    news |= taint.outputs.get(&reader) != Some(&outputs);
                    taint.outputs.insert(reader, outputs);
                    written = stores;
                }
                taint.nodes[reader] = true;
                for ((from, _), written) in node.data.iter().zip(written) {
                    if !written || !body.nodes[*from].store || taint.nodes[*from] {
                        continue;
                    }
                    // A store that the function makes for itself may be kept under its name.
                    if depth > 0 && *from >= body.arguments {
                        return None;
                    }
                    for store in body.same_store(*from) {
                        taint.nodes[store] = true;
                        changed.push(store);
                    }
                }
                if news {
                    changed.push(reader);
                }
            }
        }
        Some(taint)
    }

    fn call(
        &self,
        function: &'a FunctionDef,
        arguments: Vec<bool>,
        known: &mut HashMap<(&'a str, Vec<bool>), Summary>,
        depth: usize,
    ) -> Option<Summary> {
        let signature = function.signature.as_ref()?;
        let key = (signature.name.as_str(), arguments);
        if let Some(summary) = known.get(&key) {
            return Some(summary.clone());
        }
        if depth == DEEPEST || key.1.len() != signature.input_arg.len() {
            return None;
        }
        let names: Vec<_> = signature
            .input_arg
            .iter()
            .map(|arg| (arg.name.as_str(), arg.r#type()))
            .collect();
        let body = Body::new(&names, &function.node_def)?;
        let seeds: Vec<_> = (0..names.len()).filter(|i| key.1[*i]).collect();
        let taint = self.spread(&body, &seeds, known, depth + 1)?;
        let mut outputs = Vec::new();
        for output in &signature.output_arg {
            outputs.push(taint.of(body.place(function.ret.get(&output.name)?)?));
        }
        let summary = (outputs, taint.nodes[..names.len()].to_vec());
        known.insert(key, summary.clone());
        Some(summary)
    }
}

impl<'a> Body<'a> {
    fn new(arguments: &[(&'a str, DataType)], nodes: &'a [NodeDef]) -> Option<Self> {
        let mut body = Body {
            arguments: arguments.len(),
            ..Body::default()
        };
        for (name, dtype) in arguments {
            body.by_name.insert(name, body.nodes.len());
            body.nodes.push(Node {
                op: "",
                calls: None,
                data: Vec::new(),
                control: Vec::new(),
                store: matches!(dtype, DataType::DtResource | DataType::DtVariant),
                shared_name: &[],
            });
        }
        for node in nodes {
            body.by_name.insert(&node.name, body.nodes.len());
            let calls = CALLS
                .contains(&node.op.as_str())
                .then(|| node.attr.get("f"));
            body.nodes.push(Node {
                op: &node.op,
                calls: calls
                    .flatten()
                    .and_then(|f| Some(f.func.as_ref()?.name.as_str())),
                data: Vec::new(),
                control: Vec::new(),
                store: node.input.is_empty() && node.op != "Const",
                shared_name: node.attr.get("shared_name").map_or(&[], |attr| &attr.s),
            });
        }
        body.readers = vec![Vec::new(); body.nodes.len()];
        let switches = nodes
            .iter()
            .any(|node| SWITCHES.contains(&node.op.as_str()));
        for (at, node) in (arguments.len()..).zip(nodes) {
            for input in &node.input {
                let from = if let Some(name) = input.strip_prefix('^') {
                    if !switches {
                        continue;
                    }
                    let from = *body.by_name.get(name)?;
                    body.nodes[at].control.push(from);
                    from
                } else {
                    let edge = body.place(input)?;
                    body.nodes[at].data.push(edge);
                    edge.0
                };
                body.readers[from].push(at);
            }
        }
        Some(body)
    }

    /// The store itself and those of its name.
    fn same_store(&self, store: usize) -> Vec<usize> {
        let name = self.nodes[store].shared_name;
        let same = |at: &usize| {
            let node = &self.nodes[*at];
            *at == store || node.store && !name.is_empty() && node.shared_name == name
        };
        (0..self.nodes.len()).filter(same).collect()
    }

    /// `node:2` and, within a function, `node:output:2`.
    fn place(&self, tensor: &str) -> Option<(usize, usize)> {
        let mut parts = tensor.split(':');
        let node = *self.by_name.get(parts.next()?)?;
        let output = parts
            .next_back()
            .map_or(Some(0), |index| index.parse().ok());
        Some((node, output?))
    }
}

#[cfg(test)]
mod tests;
