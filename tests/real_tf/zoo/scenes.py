"""The scenes: each makes one cause for real, and says which rules name it rightly."""
import dataclasses
import os
import time
from typing import Callable

import numpy as np
import tensorflow as tf
from models import fresh

from . import between, models

# Before a new version: enough to know the old one.
HEALTHY = 1200
# Before anything else changes: enough for a baseline.
LEARNED = 3300
# A verdict that takes more distinct rows is none.
MOST = 4000
NOTHING = frozenset({"none"})


@dataclasses.dataclass
class Scene:
    name: str
    cause: str
    # Rules that are right at rank one; "none" where only silence, or no cause, is.
    right: frozenset
    play: Callable
    first: Callable = models.good
    between: bool = False
    front: bool = False
    quick: bool = False


SCENES = []


def scene(name, cause, *right, **options):
    def add(play):
        SCENES.append(Scene(name, cause, frozenset(right) or NOTHING, play, **options))
        return play

    return add


def rollout(name, cause, export, *right, batches=None, **options):
    """A healthy version 1, and a version 2 that is not."""

    def play(stage):
        stage.batches = batches or stage.batches
        stage.healthy(HEALTHY)
        stage.roll_out(export)
        stage.until_version(2)
        return stage.until_named(stage.right, HEALTHY + MOST, version=2)

    SCENES.append(Scene(name, cause, frozenset(right), play, **options))


rollout("uninitialised", "weights initialised again after the restore", models.uninitialised, "D10", quick=True)
rollout("head", "last layer not restored", models.head_not_restored, "D10", "D11")
rollout("nan", "weights are NaN", models.not_a_number, "D21", quick=True)
rollout("saturated", "bias of one class outgrew the rest", models.saturated, "D20")
rollout("dead-relu", "every hidden unit is dead", models.dead_relu, "D20", quick=True)
rollout("diverged", "really trained with a learning rate far too high", models.diverged, "D20")
rollout("scaler", "exported with the scaler of another data set", models.wrong_scaler, "D20", "D9")
rollout("captured", "a constant batch captured in the graph", models.constant_captured, "D5")
rollout("segment", "one segment of the inputs in an untrained branch", models.segment, "none", "D20")
rollout("training", "batch normalisation left in training mode", models.training_mode, "D8", batches=[*[1] * 60, 8])


@scene("echo", "label placeholder exported as the output", "D6", first=models.takes_labels)
def echo(stage):
    def make(rows):
        labels = stage.rng.dirichlet(np.ones(10), rows).astype(np.float32)
        return {**stage.pixels(rows), "labels": tf.make_tensor_proto(labels)}

    stage.make = make
    stage.healthy(HEALTHY)
    stage.roll_out(models.label_placeholder)
    stage.until_version(2)
    # Such a reply varies with the input: it shows as a kind of its own.
    return stage.until_named(stage.right, HEALTHY + MOST)


@scene("vocabulary", "vocabulary missing from the export, every word unknown", "D15", first=models.vocabulary(4000))
def vocabulary(stage):
    stage.make = lambda rows: {
        "words": tf.make_tensor_proto([f"word{stage.rng.integers(4000)}" for _ in range(rows)], tf.string)
    }
    stage.healthy(HEALTHY)
    stage.roll_out(models.vocabulary(1))
    stage.until_version(2)
    return stage.until_named(stage.right, HEALTHY + MOST, version=2)


@scene("truncated", "version folder cut off while it was copied", "D13", "D12", quick=True)
def truncated(stage):
    def cut(folder):
        models.dead_relu(folder)
        data = next((folder / "variables").glob("variables.data-*"))
        os.truncate(data, data.stat().st_size // 2)

    stage.healthy(200)
    stage.roll_out(cut)
    stage.until_status(2)
    return stage.until_finding(stage.right)


@scene("unset", "a variable without a value: every call of the version is refused", "D12")
def unset(stage):
    stage.healthy(200)
    stage.roll_out(models.unset)
    return stage.until_finding(stage.right)


@scene("skipped", "version folder that is no number", "D16")
def skipped(stage):
    stage.healthy(200)
    stage.roll_out(models.dead_relu, "v2")
    return stage.until_finding(stage.right)


@scene("pinned", "models.config pins version 1, version 2 is on disk", "D17", quick=True)
def pinned(stage):
    stage.healthy(200)
    stage.roll_out(models.good)
    return stage.until_finding(stage.right)


@scene("relabelled", "the label that clients ask for stays on the old version", "D17")
def relabelled(stage):
    stage.spec["label"] = "stable"
    stage.healthy(200)
    stage.roll_out(models.good)
    return stage.until_finding(stage.right)


@scene("overwritten", "version folder overwritten in place", "D18")
def overwritten(stage):
    stage.healthy(200)
    # Written once more with the same weights: what the server holds is older than what is there.
    models.good(stage.folder / "1")
    soon = time.time() + 5
    for file in (stage.folder / "1").rglob("*"):
        os.utime(file, (soon, soon))
    return stage.until_finding(stage.right)


def hollow(rows):
    """An input that declares its elements and holds none."""
    proto = tf.make_tensor_proto(np.zeros((rows, models.WIDTH), np.float32))
    proto.ClearField("tensor_content")
    proto.ClearField("float_val")
    return proto


@scene("wrong-field", "client puts float values into double_val", "D2")
def wrong_field(stage):
    stage.healthy(LEARNED)

    def make(rows):
        proto = hollow(rows)
        proto.double_val.extend(fresh("digits", stage.rng, rows).ravel().tolist())
        return {"inputs": proto}

    stage.make = make
    return stage.until_named(stage.right, LEARNED + MOST)


@scene("one-value", "client fills only the first value, the others go into double_val", "D2")
def one_value(stage):
    stage.healthy(LEARNED)

    def make(rows):
        proto = hollow(rows)
        proto.double_val.extend(fresh("digits", stage.rng, rows).ravel().tolist())
        proto.float_val.append(1.0)
        return {"inputs": proto}

    stage.make = make
    return stage.until_named(stage.right, LEARNED + MOST)


@scene("one-value-alone", "client stops after the first value, which varies", "D2")
def one_value_alone(stage):
    stage.healthy(LEARNED)

    def make(rows):
        proto = hollow(rows)
        proto.float_val.append(stage.rng.random())
        return {"inputs": proto}

    stage.make = make
    return stage.until_named(stage.right, LEARNED + MOST)


@scene("omitted", "client leaves out an input that has an exported default", "D3", first=models.defaulted)
def omitted(stage):
    whole = lambda rows: {
        **stage.pixels(rows),
        "mask": tf.make_tensor_proto(np.ones((rows, models.WIDTH), np.float32)),
    }
    stage.make = whole
    stage.healthy(LEARNED)
    stage.make = stage.pixels
    return stage.until_named(stage.right, LEARNED + MOST)


@scene("one-buffer", "client sends one buffer again and again", "D1")
def one_buffer(stage):
    stage.healthy(HEALTHY)
    same = stage.pixels(1)
    stage.batches = [1]
    stage.make = lambda rows: same
    return stage.until_named(stage.right, HEALTHY + MOST)


@scene("unscaled", "a new client sends pixels in another range", "D9")
def unscaled(stage):
    stage.healthy(LEARNED)
    stage.make = lambda rows: {"inputs": tf.make_tensor_proto(fresh("digits", stage.rng, rows) * 1000)}
    return stage.until_named(stage.right, LEARNED + MOST)


@scene("coarse-behind", "response cache with a coarse key behind Flatline", "D19", between=True, quick=True)
def coarse_behind(stage):
    stage.batches = [1]
    stage.healthy(LEARNED)
    stage.between.answer = between.coarse_key()
    return stage.until_named(stage.right, LEARNED + MOST)


@scene("coarse-front", "the same cache in front of Flatline: seen only as calls that are missing", between=True, front=True)
def coarse_front(stage):
    stage.batches = [1]
    stage.healthy(HEALTHY)
    stage.between.answer = between.coarse_key()
    return stage.until_named(stage.right, HEALTHY + MOST // 2)


@scene("by-time", "response cache that goes by time alone", "D19", between=True)
def by_time(stage):
    stage.batches = [1]
    stage.healthy(LEARNED)
    stage.between.answer = between.by_time(40)
    return stage.until_named(stage.right, LEARNED + MOST)


@scene("off-by-one", "every call gets the reply to the call before it", "D19", between=True, quick=True)
def off_by_one(stage):
    stage.batches = [1]
    stage.healthy(LEARNED)
    stage.between.answer = between.off_by_one()
    return stage.until_named(stage.right, LEARNED + MOST)


@scene("healthy", "nothing: a good version 2 after a good version 1", quick=True)
def healthy(stage):
    stage.healthy(HEALTHY)
    stage.roll_out(models.good)
    stage.until_version(2)
    return stage.until_named(stage.right, HEALTHY + MOST // 2)


@scene("detector", "nothing: a detector that finds something in few inputs, zeros for the rest", first=models.detector)
def detector(stage):
    return stage.until_named(stage.right, HEALTHY + MOST)


@scene("embedding", "nothing: one default vector for most inputs", first=models.embedding)
def embedding(stage):
    return stage.until_named(stage.right, HEALTHY + MOST)
