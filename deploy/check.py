"""What deploy/check asks of chart, manifests, policy and injection: check.py WORK BINARY PORT."""

import base64
import json
import pathlib
import re
import ssl
import subprocess
import sys
import urllib.request

import celpy
import jsonpatch
import kubernetes_validate
import yaml

WORK = pathlib.Path(sys.argv[1])
BINARY, PORT = sys.argv[2:]
REVIEWS = sorted(pathlib.Path("tests/data/kubernetes/reviews").glob("*.json"))
VERSIONS = ("1.29", "1.34", "1.37")
# Validated by deploy/operator.mjs, and by nobody.
ELSEWHERE = ("monitoring.coreos.com/", "cert-manager.io/")
NEWER = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")


def validate(thing, versions=VERSIONS):
    for version in versions:
        kubernetes_validate.validate(thing, version, strict=True)


def documents(name):
    return [thing for thing in yaml.safe_load_all((WORK / f"{name}.yaml").read_text()) if thing]


def leaves(value, path=()):
    # An empty map or list is a leaf: what stands in it is the installation's own.
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def at(value, path):
    for key in path:
        value = value[key]
    return value


def every_value_is_turned():
    default = yaml.safe_load(pathlib.Path("deploy/helm/flatline/values.yaml").read_text())
    turned = yaml.safe_load(pathlib.Path("deploy/helm/values/all.yaml").read_text())
    for path, value in leaves(default):
        assert at(turned, path) != value, f"values/all.yaml leaves {'.'.join(path)} as it is"


def schemas():
    for name in ("default", "all", "monitored", "cert-manager", "static", "policy"):
        kinds = []
        for thing in documents(name):
            kinds.append(thing["kind"])
            if thing["apiVersion"].startswith(ELSEWHERE):
                continue
            validate(thing, VERSIONS[-1:] if thing["kind"] in NEWER else VERSIONS)
        print(f"{name}: {len(kinds)} objects")
    # The schemas refuse a field that nobody knows.
    try:
        validate({**documents("static")[0], "unknown": 1})
    except kubernetes_validate.ValidationError:
        return
    raise AssertionError("strict validation refuses nothing")


def chart():
    things = {(t["kind"], t["metadata"]["name"]): t for t in documents("default")}
    kinds = {kind for kind, _ in things}
    for kind in ("Deployment", "PodDisruptionBudget", "NetworkPolicy", "ServiceAccount", "Role", "ClusterRole"):
        assert kind in kinds, kind
    assert not {"PodMonitor", "PrometheusRule", "ConfigMap"} & kinds
    # No right beyond one Secret and one configuration.
    for kind in ("Role", "ClusterRole"):
        for (found, _), role in things.items():
            for rule in role["rules"] if found == kind else []:
                assert rule.get("resourceNames") or rule["verbs"] == ["create"], rule
                assert "*" not in rule["verbs"] + rule["resources"], rule
    deployment = next(t for (kind, _), t in things.items() if kind == "Deployment")
    assert deployment["spec"]["replicas"] == 2
    restricted(deployment["spec"]["template"]["spec"], deployment["spec"]["template"]["spec"]["containers"])
    # What the pod is told fits what the other objects are called.
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    said = dict(arg[2:].split("=", 1) for arg in args if "=" in arg)
    assert ("MutatingWebhookConfiguration", said["configuration"]) in things
    assert ("Service", said["service"]) in things
    secret_rule = next(t for (kind, _), t in things.items() if kind == "Role")["rules"][0]
    assert secret_rule["resourceNames"] == [said["secret"]]
    for name in ("default", "all", "monitored", "cert-manager"):
        deployment = next(t for t in documents(name) if t["kind"] == "Deployment")
        command = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        # The binary knows every flag and value: it ends for its address alone, not by usage.
        command = ["--listen=unix:/none" if arg.startswith("--listen=") else arg for arg in command]
        tried = subprocess.run([BINARY, *command], capture_output=True, text=True, check=False)
        assert (tried.returncode, "no TCP address" in tried.stderr) == (78, True), tried


def monitoring():
    """The chart ships the repository's own dashboards and rules."""
    things = documents("monitored")
    shipped = {}
    for thing in things:
        if thing["kind"] == "ConfigMap":
            shipped.update(thing["data"])
    dashboards = {path.name: path.read_text() for path in pathlib.Path("dashboards").glob("*.json")}
    assert {name: json.loads(text) for name, text in shipped.items()} == {
        name: json.loads(text) for name, text in dashboards.items()
    }
    rules = yaml.safe_load(pathlib.Path("deploy/prometheus/flatline.rules.yml").read_text())
    assert rules in [thing["spec"] for thing in things if thing["kind"] == "PrometheusRule"]
    print(f"monitoring: {len(shipped)} dashboards, and the rules of deploy/prometheus")


def restricted(spec, containers):
    """PodSecurity `restricted`, of Kubernetes 1.37."""
    assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in spec.get("volumes", []):
        assert set(volume) - {"name"} <= allowed, volume
    for container in containers:
        own, pod = container["securityContext"], spec.get("securityContext", {})
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"]["drop"] == ["ALL"]
        assert set(own["capabilities"].get("add", [])) <= {"NET_BIND_SERVICE"}
        assert own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True
        assert own.get("runAsUser", 1) != 0 and not own.get("privileged")
        profile = own.get("seccompProfile", pod.get("seccompProfile", {}))
        assert profile.get("type") in ("RuntimeDefault", "Localhost")
        assert not any("hostPort" in port for port in container.get("ports", []))


def ask(review):
    context = ssl.create_default_context(cafile=WORK / "tls.crt")
    request = urllib.request.Request(
        f"https://localhost:{PORT}/mutate", json.dumps(review).encode(), {"content-type": "application/json"}
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(request, timeout=30) as response:
        answer = json.load(response)["response"]
    assert answer["uid"] == review["request"]["uid"] and answer["allowed"]
    return json.loads(base64.b64decode(answer["patch"])) if "patch" in answer else []


def inject(text, *flags, code=0):
    done = subprocess.run([BINARY, "inject", "-f", "-", *flags], input=text, capture_output=True, text=True)
    assert done.returncode == code, f"exit code {done.returncode}, not {code}: {done.stderr}"
    return done.stdout


def round_trip():
    injected = 0
    for path in REVIEWS:
        review = json.loads(path.read_text())
        before = review["request"]["object"]
        # The one pod with an annotation that cannot be followed is a finding, and stays as it was.
        code = 1 if path.stem == "bad-overrides" else 0
        after = jsonpatch.apply_patch(before, ask(review))
        validate(after)
        review["request"]["object"] = after
        assert ask(review) == [], f"{path.name}: the second pass changes something"
        assert json.loads(inject(json.dumps(before), code=code)) == after, f"{path.name}: command line and webhook differ"
        for style in ({}, {"default_flow_style": None}, {"default_flow_style": True}, {"indent": 4, "width": 40}):
            text = yaml.safe_dump(before, **style)
            assert yaml.safe_load(inject(text, code=code)) == after, f"{path.name}: YAML and webhook differ: {style}"
        added = [c for c in after["spec"].get("initContainers", []) if c["name"] == "flatline"]
        if added:
            injected += 1
            assert path.stem != "host-network"
            restricted({**after["spec"], "volumes": after["spec"]["volumes"]}, added)
        # Every other shape that the command line can give.
        for flags in (["--legacy-sidecar"], ["--redirect", "iptables"]):
            other = inject(json.dumps(before), *flags, code=code)
            validate(json.loads(other))
            assert inject(other, *flags, code=code) == other, f"{path.name}: {flags}: the second pass changes something"
    assert injected == 9, injected
    print(f"round trip: {len(REVIEWS)} reviews, {injected} injected, validated on {', '.join(VERSIONS)}")


def holds(expression, pod):
    environment = celpy.Environment()
    program = environment.program(environment.compile(expression))
    return bool(program.evaluate({"object": celpy.json_to_cel(pod)}))


def patched(policy, pod):
    """The pod as the policy leaves it. This CEL knows no types of Kubernetes: they become maps."""
    spec = policy["spec"]
    known = {"object": celpy.json_to_cel(pod), "variables": {}}
    environment = celpy.Environment()
    for variable in spec["variables"]:
        # The API server knows those types in mutations alone.
        assert not re.search(r"\b(Object|JSONPatch)\b", variable["expression"]), variable["name"]
        index = variable["expression"].replace(".indexOf(true)", "")
        found = environment.program(environment.compile(index)).evaluate(known)
        known["variables"] = celpy.json_to_cel({variable["name"]: list(found).index(True)})
    (mutation,) = spec["mutations"]
    expression = mutation["jsonPatch"]["expression"]
    expression = re.sub(r"([{,]\s*)(\w+):(?=\s)", r"\1'\2':", expression)
    expression = re.sub(r"\b(Object[.\w]*|JSONPatch)\{", "{", expression)
    escape = lambda m: f"'{m[1].replace('~', '~0').replace('/', '~1')}'"
    expression = re.sub(r"jsonpatch\.escapeKey\('([^']*)'\)", escape, expression)
    patch = environment.program(environment.compile(expression)).evaluate(known)
    return jsonpatch.apply_patch(pod, json.loads(json.dumps([celpy.CELJSONEncoder.to_python(step) for step in patch])))


def alike(pod):
    """What the policy and the webhook do alike: all but volumes, annotations, and ports declared twice."""
    spec = json.loads(json.dumps(pod["spec"]))
    spec.pop("volumes", None)
    for container in spec["initContainers"] + spec["containers"]:
        container.pop("volumeMounts", None)
        if container["name"] == "flatline":
            container["ports"] = [port for port in container["ports"] if port["containerPort"] != 8500]
    return spec


def conditions():
    """Conditions in CEL, asked about the recorded pods."""
    pods = {path.stem: json.loads(path.read_text())["request"]["object"] for path in REVIEWS}
    configuration = next(t for t in documents("default") if t["kind"] == "MutatingWebhookConfiguration")
    single = next(w for w in configuration["webhooks"] if w["name"] == "pods.flatline.dev")
    asked = {name for name, pod in pods.items() if all(holds(c["expression"], pod) for c in single["matchConditions"])}
    assert asked == {"bad-overrides", "custom-image", "overrides"}, asked
    policy = next(t for t in documents("policy") if t["kind"] == "MutatingAdmissionPolicy")

    def takes(pod):
        return all(holds(c["expression"], pod) for c in policy["spec"]["matchConditions"])

    taken = {name for name, pod in pods.items() if takes(pod)}
    assert taken == {"bare", "batch-job", "from-replicaset", "restricted"}, taken
    # What the command line reads, and CEL has to leave alone; and what looks like it and is fine.
    probe = {"name": "w", "image": "w", "livenessProbe": {"tcpSocket": {"port": 8500}}}
    native = {"name": "w", "image": "w", "restartPolicy": "Always"}
    check = {"name": "w", "image": "w", "command": ["sh", "-c", "timeout 20 tensorflow_model_server"]}

    def handed_on(name, port):
        return {"name": "w", "image": "w", "env": [{"name": name, "value": json.dumps({"tcpSocket": {"port": port}})}]}

    for fits, spec, serving in [
        (True, {}, {"args": ["--rest_api_port=8501", "--model_name=m18510"], "ports": [{"containerPort": 8500}]}),
        (True, {"initContainers": [{**native, "ports": [{"containerPort": 15090}]}]}, {}),
        (False, {}, {"args": ["--rest_api_port=8510"]}),
        (False, {}, {"args": ["--use_alts_credentials=true"]}),
        (False, {}, {"args": ["$(FLAGS)"]}),
        (False, {}, {"ports": [{"containerPort": 8500, "protocol": "UDP"}]}),
        (False, {"initContainers": [{**native, "ports": [{"containerPort": 9464}]}]}, {}),
        (False, {"initContainers": [{**native, "args": ["--listen=:9464"]}]}, {}),
        (False, {"resources": {"limits": {"cpu": "1"}}}, {}),
        (False, {"containers": [probe]}, {}),
        (False, {"initContainers": [{**native, **probe}]}, {}),
        (True, {"initContainers": [{"name": "w", "image": "w", "command": ["cp", "/m", "/models"]}]}, {}),
        (False, {"initContainers": [check]}, {}),
        (False, {"initContainers": [{"name": "w", "image": "tensorflow/serving"}]}, {}),
        (False, {"initContainers": [{"name": "w", "image": "w", "args": ["--listen=:8500"]}]}, {}),
        (True, {"containers": [{"name": "w", "image": "w", "env": [{"name": "TO", "value": "localhost:8500"}]}]}, {}),
        (False, {"containers": [{"name": "w", "image": "w", "command": ["nc", "-l", "8510"]}]}, {}),
        (False, {"containers": [{"name": "w", "image": "w", "env": [{"name": "PORT", "value": "9464"}]}]}, {}),
        (False, {"containers": [{"name": "w", "image": "w", "livenessProbe": {"httpGet": {"port": 9464}}}]}, {}),
        (True, {"containers": [{"name": "w", "image": "w", "livenessProbe": {"httpGet": {"port": "admin"}}}]}, {}),
        (False, {"containers": [handed_on("SERVING_READINESS_PROBE", 8500)]}, {}),
        (False, {"containers": [handed_on("ISTIO_KUBE_APP_PROBERS", 8500)]}, {}),
        (True, {"containers": [handed_on("ISTIO_KUBE_APP_PROBERS", 8080)]}, {}),
        (False, {"nodeSelector": {"kubernetes.io/os": "windows"}}, {}),
        (True, {"nodeSelector": {"kubernetes.io/os": "linux", "zone": "a"}}, {}),
        (False, {"containers": [{"name": "w", "image": "a/tf-serving", "args": ["--port=8600"]}]}, {}),
        (False, {"containers": [{"name": "w", "image": "w", "args": ["--model_base_path=/m"]}]}, {}),
        (False, {"containers": [{"name": "w", "image": "w", "command": ["tensorflow_model_server"]}]}, {}),
        (False, {"containers": [{"name": "w", "image": "example.org/flatline:0.1.0", "args": ["serve"]}]}, {}),
        (False, {"containers": [{"name": "istio-proxy", "image": "w"}]}, {}),
        (False, {"initContainers": [{"name": "linkerd-init", "image": "w"}]}, {}),
        (False, {}, {"image": "tensorflow/serving:2.14-devel-gpu"}),
        (False, {}, {"args": ["--model_name=m", "--"]}),
        (False, {}, {"env": [{"name": "TLS", "value": "--ssl_config_file=/t"}]}),
    ]:
        pod = json.loads(json.dumps(pods["bare"]))
        others = spec.pop("containers", [])
        pod["spec"].update(spec)
        pod["spec"]["containers"] = [{"name": "serving", "image": "tensorflow/serving", **serving}, *others]
        assert takes(pod) == fits, (fits, pod["spec"])
    pod = json.loads(json.dumps(pods["bare"]))
    for key, value, fits in [
        ("istio.io/rev", "canary", False),
        ("istio.io/dataplane-mode", "ambient", False),
        ("istio.io/dataplane-mode", "none", True),
    ]:
        pod["metadata"]["labels"] = {key: value}
        pod["spec"]["containers"] = [{"name": "serving", "image": "tensorflow/serving"}]
        assert takes(pod) == fits, (key, value)
    for value, fits in {"enabled": True, "true": True, "disabled": False, "maybe": False}.items():
        pod["metadata"]["annotations"] = {"flatline.dev/inject": value}
        pod["spec"]["containers"] = [{"name": "serving", "image": "tensorflow/serving"}]
        assert takes(pod) == fits, value
    for name in taken:
        after = patched(policy, pods[name])
        validate(after)
        assert not takes(after), f"{name}: the policy would take it again"
        assert alike(after) == alike(json.loads(inject(json.dumps(pods[name])))), name
    print(f"conditions: the webhook is asked about {len(asked)} pods, the policy takes {len(taken)}")


every_value_is_turned()
schemas()
chart()
monitoring()
round_trip()
conditions()
