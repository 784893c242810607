"""PROV-O: parsed with rdflib, held against shapes with pyshacl, and read as a PROV document with prov."""

import json
import sys
import warnings
from pathlib import Path

import pyshacl
from prov.model import (
    ProvActivity,
    ProvAgent,
    ProvAssociation,
    ProvDerivation,
    ProvDocument,
    ProvEntity,
    ProvGeneration,
    ProvUsage,
)
from rdflib import RDF, Graph, URIRef

SHAPES = Graph().parse(Path(__file__).resolve().parent / "prov.ttl")
PROV = "http://www.w3.org/ns/prov#"


def graph(text):
    """The triples; the context stands in the document."""
    return Graph().parse(data=text, format="json-ld")


def conforms(triples):
    """Whether the shapes hold, and what does not."""
    good, _, report = pyshacl.validate(triples, shacl_graph=SHAPES, inference="none")
    return good, report


def count(triples, name):
    """How many triples have this property of PROV."""
    return len(set(triples.subject_objects(URIRef(PROV + name))))


def check(name, receipt, text):
    """Reads a PROV-O document three ways and compares numbers with the receipt."""
    triples = graph(text)
    good, report = conforms(triples)
    if not good:
        sys.exit(f"{name}: {report}")
    opening = receipt["opening"]
    shown = [it for it in opening["outputs"] if "digest" in it and it["kind"] != "directory"]
    sets = len({mount["root"] for mount in opening["inputs"]})
    bundle = 1 if opening.get("algorithm") else 0
    signers = [receipt.get("consent", {}).get("consumer"),
               receipt.get("attestation", {}).get("statement", {}).get("provider")]
    agents = {who for who in signers if who}
    parts = sum(who is not None for who in signers)
    facts = [
        ("runs", len(set(triples.subjects(RDF.type, URIRef(PROV + "Activity")))), 1),
        ("used", count(triples, "used"), 3 + bundle + sets),
        ("wasGeneratedBy", count(triples, "wasGeneratedBy"), len(shown)),
        ("wasDerivedFrom", count(triples, "wasDerivedFrom"), len(shown) * sets),
        ("agents", len(set(triples.subjects(RDF.type, URIRef(PROV + "Agent")))), len(agents)),
        ("wasAssociatedWith", count(triples, "wasAssociatedWith"), len(agents)),
    ]
    with warnings.catch_warnings():
        # prov says of every term outside of PROV that it keeps it as an attribute.
        warnings.simplefilter("ignore")
        document = ProvDocument.deserialize(content=text.decode(), format="rdf", rdf_format="json-ld")

    def records(kind):
        return len(list(document.get_records(kind)))

    facts += [
        ("prov: activities", records(ProvActivity), 1),
        ("prov: entities", records(ProvEntity), 4 + bundle + sets + len(shown)),
        ("prov: agents", records(ProvAgent), len(agents)),
        ("prov: usages", records(ProvUsage), 3 + bundle + sets),
        ("prov: generations", records(ProvGeneration), len(shown)),
        ("prov: derivations", records(ProvDerivation), len(shown) * sets),
        ("prov: associations", records(ProvAssociation), parts),
    ]
    for what, found, wanted in facts:
        if found != wanted:
            sys.exit(f"{name}: {what}: found {found}, the receipt has {wanted}")


def refuses(text):
    """The shapes refuse documents that say something impossible."""
    def changed(kind, **fields):
        document = json.loads(text)
        for node in document["@graph"]:
            kinds = node["@type"] if isinstance(node["@type"], list) else [node["@type"]]
            if kind in kinds:
                node.update({name.replace("_", ":", 1): value for name, value in fields.items()})
        return json.dumps(document)

    cases = {
        "an end before the start": changed("prov:Activity", prov_endedAtTime="1970-01-01T00:00:00Z"),
        "a time that is none": changed("prov:Activity", prov_endedAtTime="soon"),
        "agents that are none": changed("prov:Agent", **{"@type": "prov:Activity"}),
        "use of nothing": changed("prov:Activity", prov_used=[]),
    }
    for name, document in cases.items():
        if conforms(graph(document))[0]:
            sys.exit(f"the shapes accept {name}")
