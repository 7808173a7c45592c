"""The fault zoo: every cause made for real, in front of real TensorFlow, and what Flatline calls it.

usage: tests/real_tf/run zoo [--quick] [SCENE...]
"""
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from conftest import ModelServer  # noqa: E402
from zoo.scenes import SCENES  # noqa: E402
from zoo.stage import Stage  # noqa: E402

# The share of scenes whose cause has to be ranked first.
RIGHT = 0.9


def config(scene, base):
    """This scene's entry in models.config."""
    policy = {
        "pinned": "model_version_policy { specific { versions: 1 } }",
        "relabelled": 'model_version_policy { specific { versions: 1 versions: 2 } } version_labels { key: "stable" value: 1 }',
    }.get(scene.name, "")
    return f'config {{ name: "{scene.name}" base_path: "{base}" model_platform: "tensorflow" {policy} }}\n'


def prepare(scenes, root):
    """Version 1 of every scene's model, and the models.config that names them all."""
    entries, made = [], {}
    for scene in scenes:
        base = root / "models" / scene.name
        base.mkdir(parents=True)
        if scene.first in made:
            shutil.copytree(made[scene.first], base / "1")
        else:
            scene.first(base / "1")
            made[scene.first] = base / "1"
        entries.append(config(scene, base))
    path = root / "models.config"
    path.write_text("model_config_list {\n" + "".join(entries) + "}\n")
    return path


def judged(found):
    """Kind, the rule ranked first, whether it is certain, and every rule that is said to be certain."""
    if found is None:
        return "", "none", False, set()
    causes = found["causes"] if "causes" in found else [found]
    if not causes:
        return found["kind"] or "", "none", False, set()
    first = causes[0]
    kind = found.get("kind") or "finding"
    return kind, first["rule"], first["certain"], {cause["rule"] for cause in causes if cause["certain"]}


def play(scene, server, root, models_config):
    base = root / "models" / scene.name
    flags = ["--model-dir", str(base), "--models-config", str(models_config), "--truth-interval", "1s"]
    stage = Stage(scene, server, base, zlib.crc32(scene.name.encode()), flags)
    try:
        found, rows = scene.play(stage)
        kind, rule, certain, proved = judged(found)
        findings = stage.findings(stage.verdicts())
    finally:
        stage.stop()
    right = rule in scene.right
    # Whatever else is said to be certain has to be right as well.
    proved |= {finding["rule"] for finding in findings if finding["certain"]}
    false_proof = proved - scene.right
    return {"scene": scene, "kind": kind, "rows": rows, "rule": rule, "certain": certain, "right": right,
            "false_proof": false_proof, "found": found,
            "findings": [finding["rule"] for finding in findings]}


def row(result):
    scene = result["scene"]
    expected = " or ".join(sorted(scene.right, key=lambda rule: (len(rule), rule)))
    rows = "-" if result["rows"] is None else str(result["rows"])
    return (f"| {scene.name} | {scene.cause} | {expected} | {result['kind'] or '-'} | {rows} | {result['rule']} |"
            f" {'yes' if result['certain'] else 'no'} | {'yes' if result['right'] else '**no**'} |")


def main():
    quick = "--quick" in sys.argv[1:]
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    unknown = set(names) - {scene.name for scene in SCENES}
    if unknown:
        sys.exit(f"no such scene: {', '.join(sorted(unknown))}")
    scenes = [s for s in SCENES if s.name in names or not names and (s.quick or not quick)]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        models_config = prepare(scenes, root)
        server = ModelServer(root / "models", models_config)
        print("| scene | cause | right | kind | rows | first | certain | right? |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        results = []
        for scene in scenes:
            start = time.monotonic()
            results.append(play(scene, server, root, models_config))
            print(row(results[-1]), flush=True)
            if os.environ.get("ZOO_VERBOSE"):
                print(json.dumps(results[-1]["found"], indent=1), file=sys.stderr)
                print(f"{time.monotonic() - start:.1f} s, findings: {results[-1]['findings']}", file=sys.stderr)
        server.stop()
    right = sum(result["right"] for result in results)
    certain = [result for result in results if result["certain"]]
    false = [result["scene"].name for result in results if result["false_proof"]]
    print(f"\n{right} of {len(results)} right at rank one; {len(certain)} certain, {len(false)} of them wrong")
    if right < RIGHT * len(results) or false:
        sys.exit(f"below the bar: at least {RIGHT:.0%} right, and every certain cause; wrongly certain: {false}")


if __name__ == "__main__":
    main()
