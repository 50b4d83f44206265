"""Certificates and kubeconfigs: a certificate authority of the cluster's own, by openssl."""

import json
from pathlib import Path

from cluster.paths import state
from cluster.shell import run

DAYS = "30"


class Authority:
    """A CA in a folder, and what it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def certificate(self) -> Path:
        """The CA's own."""
        return self.folder / "ca.crt"

    def create(self) -> None:
        """A new CA, and the key pair that service account tokens are signed with."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key("ca")
        words: list[str | Path] = [
            "-key",
            self.folder / "ca.key",
            "-out",
            self.certificate,
            "-subj",
            "/CN=cluster",
        ]
        run(["openssl", "req", "-x509", "-new", "-days", DAYS, *words])
        self._key("sa")
        run(
            [
                "openssl",
                "ec",
                "-in",
                self.folder / "sa.key",
                "-pubout",
                "-out",
                self.folder / "sa.pub",
            ]
        )

    def sign(
        self, name: str, common_name: str, group: str = "", names: tuple[str, ...] = ()
    ) -> None:
        """NAME.crt and NAME.key: a client's or, with `names` (DNS:x, IP:y), a server's."""
        self._key(name)
        subject = (f"/O={group}" if group else "") + f"/CN={common_name}"
        request, extra = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        run(
            [
                "openssl",
                "req",
                "-new",
                "-key",
                self.folder / f"{name}.key",
                "-subj",
                subject,
                "-out",
                request,
            ]
        )
        usage = "serverAuth" if names else "clientAuth"
        lines = [f"extendedKeyUsage={usage}"]
        if names:
            lines.append(f"subjectAltName={','.join(names)}")
        extra.write_text("\n".join(lines) + "\n")
        words: list[str | Path] = [
            "-CA",
            self.certificate,
            "-CAkey",
            self.folder / "ca.key",
            "-CAcreateserial",
        ]
        words += ["-days", DAYS, "-extfile", extra, "-out", self.folder / f"{name}.crt"]
        run(["openssl", "x509", "-req", "-in", request, *words])

    def kubeconfig(self, name: str, server: str, target: Path) -> None:
        """A kubeconfig for the client NAME, with everything in it."""
        cluster = {"server": server, "certificate-authority-data": _base64(self.certificate)}
        user = {
            "client-certificate-data": _base64(self.folder / f"{name}.crt"),
            "client-key-data": _base64(self.folder / f"{name}.key"),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": name}}],
            "current-context": "cluster",
        }
        target.write_text(json.dumps(config, indent=1))
        target.chmod(0o600)

    def _key(self, name: str) -> None:
        run(
            [
                "openssl",
                "ecparam",
                "-name",
                "prime256v1",
                "-genkey",
                "-noout",
                "-out",
                self.folder / f"{name}.key",
            ]
        )


def authority() -> Authority:
    """That of the cluster that is meant."""
    return Authority(state() / "pki")


def _base64(path: Path) -> str:
    return run(["base64", "-w0", path])
