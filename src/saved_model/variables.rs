//! Whether a graph is of use without its `variables` folder.

use crate::proto::tensorflow::{MetaGraphDef, NodeDef};

/// What holds a variable.
const VARIABLES: [&str; 3] = ["VarHandleOp", "VariableV2", "Variable"];
/// What fills variables from the folder.
const RESTORERS: [&str; 3] = ["RestoreV2", "Restore", "RestoreSlice"];
/// What fills them from within the graph.
const ASSIGNERS: [&str; 2] = ["AssignVariableOp", "Assign"];

/// A variable that gets its value from the folder alone. TensorFlow loads such a graph without
/// the folder too, and fails with each call. A graph that assigns its variables and restores none
/// needs no folder.
#[must_use]
pub fn restored_variable(graph: &MetaGraphDef) -> Option<&str> {
    let graph = graph.graph_def.as_ref()?;
    let functions = graph.library.iter().flat_map(|library| &library.function);
    let within: Vec<&NodeDef> = functions.flat_map(|f| &f.node_def).collect();
    let nodes = || graph.node.iter().chain(within.iter().copied());
    let has = |ops: &[&str]| nodes().any(|node| ops.contains(&node.op.as_str()));
    let variable = nodes().find(|node| VARIABLES.contains(&node.op.as_str()))?;
    (has(&RESTORERS) || !has(&ASSIGNERS)).then_some(variable.name.as_str())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::codec::predict::DEFAULT_SIGNATURE;
    use crate::proto::tensorflow::meta_graph_def::MetaInfoDef;
    use crate::proto::tensorflow::{FunctionDef, FunctionDefLibrary, GraphDef, SavedModel};

    /// A model that is served, of which the graph has nodes of these kinds.
    pub(crate) fn model_of(ops: &[&str]) -> SavedModel {
        let graph = MetaGraphDef {
            meta_info_def: Some(MetaInfoDef {
                tags: vec!["serve".to_owned()],
                ..MetaInfoDef::default()
            }),
            signature_def: [(DEFAULT_SIGNATURE.to_owned(), Default::default())].into(),
            ..graph(ops, &[])
        };
        SavedModel {
            saved_model_schema_version: 1,
            meta_graphs: vec![graph],
        }
    }

    fn graph(ops: &[&str], within: &[&str]) -> MetaGraphDef {
        let nodes = |ops: &[&str]| {
            let node = |op: &&str| NodeDef {
                name: op.to_lowercase(),
                op: (*op).to_owned(),
                ..NodeDef::default()
            };
            ops.iter().map(node).collect()
        };
        let function = FunctionDef {
            node_def: nodes(within),
            ..FunctionDef::default()
        };
        MetaGraphDef {
            graph_def: Some(GraphDef {
                node: nodes(ops),
                library: Some(FunctionDefLibrary {
                    function: vec![function],
                }),
            }),
            ..MetaGraphDef::default()
        }
    }

    #[test]
    fn variables_that_only_the_folder_fills_need_it() {
        let needs = |ops: &[&str], within: &[&str]| {
            restored_variable(&graph(ops, within)).map(str::to_owned)
        };
        // As version 2 exports, where functions restore, and as version 1 does.
        let restored = needs(&["VarHandleOp"], &["RestoreV2", "AssignVariableOp"]);
        assert_eq!(restored.as_deref(), Some("varhandleop"));
        assert!(needs(&["VariableV2", "Assign", "RestoreV2"], &[]).is_some());
        // Nothing gives it a value.
        assert!(needs(&["VarHandleOp", "ReadVariableOp"], &[]).is_some());
        assert_eq!(needs(&["VarHandleOp"], &["AssignVariableOp"]), None);
        // A function of its inputs that came with a saver, and frozen weights.
        assert_eq!(needs(&["Placeholder"], &["RestoreV2"]), None);
        assert_eq!(needs(&["Placeholder", "Const", "MatMul"], &[]), None);
        assert_eq!(restored_variable(&MetaGraphDef::default()), None);
    }
}
