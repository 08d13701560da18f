"""What a bill of materials must keep: rules of CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/), of package URLs
(https://github.com/package-url/purl-spec) and of SPDX licence expressions (SPDX 2.3, annex D) that ours come near to.
"""
import datetime
import re

TYPES = {"application", "framework", "library", "container", "operating-system", "device", "firmware", "file", "platform",
         "device-driver", "machine-learning-model", "data"}
# Of https://spdx.org/licenses: those that a library of ours may have.
SPDX_IDS = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Attribution", "BSD-4-Clause", "GPL-2.0-only", "GPL-2.0-or-later",
            "GPL-3.0-or-later", "ISC", "LGPL-2.0-or-later", "LGPL-2.1-or-later", "LGPL-3.0-or-later", "MIT", "OLDAP-2.8",
            "OpenSSL", "Zlib", "curl"}
DIGITS = {"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-512": 128}
PURL = re.compile(r"pkg:[a-z][a-z0-9.+-]*(/[A-Za-z0-9.~_%-]+)*/[A-Za-z0-9.~_%+-]+@(?P<version>[A-Za-z0-9.~_%:-]+)"
                  r"(\?[a-z][a-z0-9_.-]*=[^&#=]+(&[a-z][a-z0-9_.-]*=[^&#=]+)*)?")


def licence_faults(entry):
    if set(entry) == {"expression"}:
        ids = re.split(r" (?:OR|AND) ", entry["expression"])
        return [f"licence {word!r}" for word in ids if word not in SPDX_IDS]
    if set(entry) != {"license"} or len(entry["license"]) != 1:
        return [f"licence {entry}: want one of expression, license.id, license.name"]
    licence = entry["license"]
    if "id" in licence:
        return [] if licence["id"] in SPDX_IDS else [f"licence {licence['id']!r}"]
    return [] if licence.get("name") else [f"licence {entry}: no name"]


def component_faults(part):
    where = part.get("bom-ref", part.get("name", "?"))
    faults = [f"{where}: no {key}" for key in ("type", "name", "version", "bom-ref") if not part.get(key)]
    if part.get("type") not in TYPES:
        faults.append(f"{where}: type {part.get('type')!r}")
    if "purl" in part and not PURL.fullmatch(part["purl"]):
        faults.append(f"{where}: purl {part['purl']!r}")
    if part.get("type") != "file" and not part.get("licenses"):
        faults.append(f"{where}: no licences")
    entries = part.get("licenses", [])
    if len(entries) > 1 and any("expression" in entry for entry in entries):
        faults.append(f"{where}: an expression stands alone")
    for entry in entries:
        faults += [f"{where}: {fault}" for fault in licence_faults(entry)]
    for digest in part.get("hashes", []):
        if not re.fullmatch(rf"[0-9a-f]{{{DIGITS.get(digest.get('alg'), 0)}}}", digest.get("content", "")):
            faults.append(f"{where}: hash {digest}")
    return faults


def head_faults(bill):
    faults = [f"no {key}" for key in ("bomFormat", "specVersion", "serialNumber", "version", "metadata", "components", "dependencies")
              if key not in bill]
    if (bill.get("bomFormat"), bill.get("specVersion")) != ("CycloneDX", "1.5"):
        faults.append("bomFormat or specVersion")
    if not re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill.get("serialNumber", "")):
        faults.append(f"serialNumber {bill.get('serialNumber')!r}")
    if not isinstance(bill.get("version"), int) or bill["version"] < 1:
        faults.append(f"version {bill.get('version')!r}")
    try:
        datetime.datetime.strptime(bill["metadata"]["timestamp"], "%Y-%m-%dT%H:%M:%SZ")
    except (KeyError, ValueError) as error:
        faults.append(f"metadata.timestamp: {error!r}")
    return faults


def faults(bill):
    """All of them, as texts; none of a good bill."""
    found = head_faults(bill)
    if any(fault.startswith("no ") for fault in found):
        return found
    product = bill["metadata"]["component"]
    parts = [product, *product.get("components", []), *bill["components"]]
    for part in parts:
        found += component_faults(part)
    refs = [part.get("bom-ref") for part in parts]
    found += [f"bom-ref {ref!r} is not unique" for ref in sorted({str(ref) for ref in refs if refs.count(ref) > 1})]
    nodes = [node["ref"] for node in bill["dependencies"]]
    found += [f"dependencies: {ref!r} twice" for ref in sorted({ref for ref in nodes if nodes.count(ref) > 1})]
    known = set(refs)
    for node in bill["dependencies"]:
        found += [f"dependencies: nobody is {ref!r}" for ref in [node["ref"], *node.get("dependsOn", [])] if ref not in known]
    if product.get("bom-ref") not in nodes:
        found.append("dependencies: nothing of the product itself")
    return found
