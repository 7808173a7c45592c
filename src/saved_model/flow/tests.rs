use super::*;
use crate::proto::tensorflow::op_def::ArgDef;
use crate::proto::tensorflow::{AttrValue, FunctionDefLibrary, NameAttrList, OpDef};

fn node(line: &str) -> NodeDef {
    let mut words = line.split(' ').map(str::to_owned);
    NodeDef {
        name: words.next().unwrap(),
        op: words.next().unwrap(),
        input: words.collect(),
        ..NodeDef::default()
    }
}

fn call(line: &str, function: &str) -> NodeDef {
    let func = Some(NameAttrList {
        name: function.to_owned(),
    });
    NodeDef {
        attr: HashMap::from([(
            "f".to_owned(),
            AttrValue {
                func,
                ..AttrValue::default()
            },
        )]),
        ..node(line)
    }
}

/// `arguments` with a type 20 are resources.
fn function(
    name: &str,
    arguments: &[(&str, i32)],
    nodes: &[&str],
    ret: &[(&str, &str)],
) -> FunctionDef {
    let arg = |name: &str, r#type| ArgDef {
        name: name.to_owned(),
        r#type,
    };
    FunctionDef {
        signature: Some(OpDef {
            name: name.to_owned(),
            input_arg: arguments.iter().map(|(n, t)| arg(n, *t)).collect(),
            output_arg: ret.iter().map(|(n, _)| arg(n, 1)).collect(),
        }),
        node_def: nodes.iter().map(|line| node(line)).collect(),
        ret: ret
            .iter()
            .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
            .collect(),
    }
}

fn follows(nodes: Vec<NodeDef>, functions: Vec<FunctionDef>, output: &str) -> Option<bool> {
    let graph = GraphDef {
        node: nodes,
        library: Some(FunctionDefLibrary {
            function: functions,
        }),
    };
    let found = Flow::new(&graph)?.follows(&["x:0"], &[output])?;
    Some(found[0][0])
}

#[test]
fn outputs_follow_along_data_and_between_switches_along_control() {
    let plain = [
        "x Placeholder",
        "w Const",
        "y MatMul x w:0",
        "c Const",
        "z Add c w",
        "late Identity c ^y",
    ];
    let graph = || plain.map(node).to_vec();
    assert_eq!(follows(graph(), vec![], "y:0"), Some(true));
    assert_eq!(follows(graph(), vec![], "z:0"), Some(false));
    assert_eq!(follows(graph(), vec![], "late:0"), Some(false));
    assert_eq!(follows(graph(), vec![], "nothing:0"), None);
    let mut switched = graph();
    switched.extend(
        [
            "s Switch c x",
            "on Identity s:1",
            "d Const ^on",
            "m Merge d s:0",
        ]
        .map(node),
    );
    assert_eq!(follows(switched.clone(), vec![], "d:0"), Some(true));
    assert_eq!(follows(switched, vec![], "m:0"), Some(true));
}

#[test]
fn the_outputs_of_a_call_are_told_apart() {
    let inner = || {
        vec![function(
            "f",
            &[("a", 1), ("v", 20)],
            &[
                "r ReadVariableOp v",
                "m MatMul a r:value:0",
                "i Identity r:value:0",
            ],
            &[("one", "m:product:0"), ("two", "i:output:0")],
        )]
    };
    let graph = || {
        let call = call("call StatefulPartitionedCall x v", "f");
        vec![
            node("x Placeholder"),
            node("v VarHandleOp"),
            call,
            node("first Identity call"),
            node("second Identity call:1"),
        ]
    };
    assert_eq!(follows(graph(), inner(), "first"), Some(true));
    assert_eq!(follows(graph(), inner(), "second:0"), Some(false));
    // A function that is not there may do anything.
    assert_eq!(follows(graph(), vec![], "second:0"), Some(true));
}

#[test]
fn what_is_written_to_a_variable_comes_out_of_it_again() {
    let writes = || {
        vec![function(
            "f",
            &[("a", 1), ("v", 20)],
            &["w AssignVariableOp v a"],
            &[],
        )]
    };
    let read = [
        "x Placeholder",
        "v VarHandleOp",
        "r ReadVariableOp v",
        "y Identity r",
    ];
    let mut direct = read.map(node).to_vec();
    direct.push(node("w AssignVariableOp v x"));
    assert_eq!(follows(direct, vec![], "y:0"), Some(true));
    let mut within = read.map(node).to_vec();
    within.push(call("w StatefulPartitionedCall x v", "f"));
    assert_eq!(follows(within, writes(), "y:0"), Some(true));
    assert_eq!(follows(read.map(node).to_vec(), vec![], "y:0"), Some(false));
}

#[test]
fn stores_of_one_name_are_one() {
    let named = |line: &str| {
        let attr = AttrValue {
            s: b"v".to_vec(),
            ..AttrValue::default()
        };
        NodeDef {
            attr: HashMap::from([("shared_name".to_owned(), attr)]),
            ..node(line)
        }
    };
    let graph = vec![
        node("x Placeholder"),
        named("v VarHandleOp"),
        named("u VarHandleOp"),
        node("w AssignVariableOp v x"),
        node("y ReadVariableOp u"),
    ];
    assert_eq!(follows(graph, vec![], "y:0"), Some(true));
}

#[test]
fn nothing_is_said_where_it_is_not_plain() {
    for keeps in ["EagerPyFunc", "Stage", "MapStage"] {
        let kept = format!("p {keeps} x");
        let graph = ["x Placeholder", &kept, "c Const"].map(node).to_vec();
        assert_eq!(follows(graph, vec![], "c:0"), None, "{keeps}");
    }
    let mut endless = function("f", &[("a", 1)], &[], &[("b", "c:output:0")]);
    endless.node_def = vec![call("c PartitionedCall a", "f")];
    let graph = vec![node("x Placeholder"), call("y PartitionedCall x", "f")];
    assert_eq!(follows(graph, vec![endless], "y:0"), None);
}

#[test]
fn loops_come_to_an_end() {
    let graph = [
        "x Placeholder",
        "m Merge x n",
        "n NextIteration m",
        "e Exit n",
    ]
    .map(node)
    .to_vec();
    assert_eq!(follows(graph, vec![], "e:0"), Some(true));
}
