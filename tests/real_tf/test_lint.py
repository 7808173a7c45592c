"""flatline lint on SavedModels as TensorFlow writes them, whole and broken."""
import json
import os
import resource
import shutil
import subprocess

import pytest
import tensorflow as tf
from conftest import FLATLINE
from tensorflow.core.protobuf import saved_model_pb2
from zoo import models


def lint(path, *flags):
    """Exit code, rules found, and the whole report."""
    run = subprocess.run([FLATLINE, "lint", "--format", "json", str(path), *flags], capture_output=True, text=True)
    assert run.returncode in (0, 1), run.stderr
    report = json.loads(run.stdout)
    return run.returncode, [finding["rule"] for finding in report["findings"]], report


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "1"
    models.good(folder)
    return folder


@pytest.fixture
def copy(good, tmp_path):
    return shutil.copytree(good, tmp_path / "digits" / "1")


def test_a_good_export_is_clean_and_its_signature_is_listed(good):
    code, rules, report = lint(good)
    assert (code, rules) == (0, [])
    (signature,) = report["signatures"]
    assert signature["name"] == "serving_default"
    assert signature["inputs"] == [{"name": "inputs", "tensor": "DT_FLOAT [?, 64]"}]
    assert signature["outputs"] == [{"name": "probabilities", "tensor": "DT_FLOAT [?, 10]"}]


def test_every_working_model_of_the_zoo_is_clean(tmp_path):
    exports = [models.uninitialised, models.not_a_number, models.training_mode, models.segment, models.takes_labels,
               models.defaulted, models.vocabulary(50)]
    for export in exports:
        folder = tmp_path / export.__name__ / "1"
        export(folder)
        assert lint(folder)[:2] == (0, []), export


def test_outputs_that_do_not_follow_their_inputs(tmp_path):
    models.constant_captured(tmp_path / "a/1")
    code, rules, report = lint(tmp_path / "a")
    assert (code, rules) == (1, ["output-ignores-inputs"])
    assert '"probabilities"' in report["findings"][0]["message"]
    models.label_placeholder(tmp_path / "b/1")
    assert lint(tmp_path / "b")[:2] == (0, ["input-unused"])
    assert lint(tmp_path / "b", "--deny-warnings")[0] == 1


def test_nothing_is_said_where_a_variable_or_a_branch_carries_the_input(tmp_path):
    class Tricky(tf.Module):
        def __init__(self):
            super().__init__()
            self.sum = tf.Variable(0.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def by_variable(self, x):
            self.sum.assign_add(tf.reduce_sum(x))
            return {"y": self.sum.read_value()}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def by_branch(self, x):
            return {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: 1.0, lambda: 2.0)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def by_loop(self, x):
            return {"y": tf.while_loop(lambda i: i < tf.size(x), lambda i: i + 1, [tf.constant(0)])[0]}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def by_shape(self, x):
            return {"y": tf.zeros(tf.shape(x))}

    module = Tricky()
    names = ["by_variable", "by_branch", "by_loop", "by_shape"]
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={name: getattr(module, name) for name in names})
    assert lint(tmp_path / "1")[:2] == (0, ["no-default-signature"])


def test_a_graph_of_version_1_with_switches(tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.disable_control_flow_v2()
        x = v1.placeholder(tf.float32, [None], name="x")
        branch = v1.cond(tf.reduce_sum(x) > 0, lambda: tf.constant(1.0), lambda: tf.constant(2.0))
        fixed = tf.constant([3.0]) * 2
        v1.saved_model.simple_save(session, str(tmp_path / "1"), {"x": x}, {"branch": branch, "fixed": fixed})
    v1.enable_control_flow_v2()
    code, rules, report = lint(tmp_path / "1")
    assert (code, rules) == (0, ["output-ignores-inputs"]), "one of two outputs may be meant so"
    assert '"fixed"' in report["findings"][0]["message"]


def test_parts_that_are_missing(copy, tmp_path):
    data = next((copy / "variables").glob("variables.data-*"))
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    assert lint(copy)[:2] == (1, ["incomplete"])
    data.unlink()
    assert lint(copy)[:2] == (1, ["incomplete"])
    data.write_bytes(whole)
    assert lint(copy)[:2] == (0, [])
    graph = copy / "saved_model.pb"
    half = graph.read_bytes()[: graph.stat().st_size // 2]
    graph.write_bytes(half)
    code, rules, report = lint(copy)
    assert (code, rules) == (1, ["unreadable"])
    assert "byte" in report["findings"][0]["message"]
    models.vocabulary(5)(tmp_path / "words/1")
    next((tmp_path / "words/1/assets").iterdir()).unlink()
    assert lint(tmp_path / "words")[:2] == (1, ["asset-missing"])


def test_an_index_cut_off_and_variables_left_behind(copy, tmp_path):
    index = copy / "variables/variables.index"
    index.write_bytes(index.read_bytes()[:-1])
    assert lint(copy)[:2] == (1, ["unreadable"])
    shutil.rmtree(copy / "variables")
    code, rules, report = lint(copy)
    assert (code, rules) == (1, ["incomplete"])
    assert "has no variables on disk" in report["findings"][0]["message"]

    # A function of its inputs alone has nothing to restore.
    function = tf.function(lambda x: {"y": x * 2.0}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    module = tf.Module()
    module.double = function
    tf.saved_model.save(module, str(tmp_path / "pure/1"), signatures=function)
    assert lint(tmp_path / "pure")[:2] == (0, [])
    shutil.rmtree(tmp_path / "pure/1/variables")
    assert lint(tmp_path / "pure")[:2] == (0, [])


def test_a_graph_for_training_only(copy):
    path = copy / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    model.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    path.write_bytes(model.SerializeToString())
    assert lint(copy)[:2] == (1, ["no-serve-tag"])


def test_a_folder_of_2_gb_is_read_by_its_sizes(copy):
    data = next((copy / "variables").glob("variables.data-*"))
    os.truncate(data, 2 << 30)
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))
    run = subprocess.run([FLATLINE, "lint", str(copy)], preexec_fn=limit, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
