"""Authoring: from what a person writes to a checked definition and its net.

`load` and `read` take files, `Workflow` builds in Python, step by step or of `steps` combined as
values, `check` judges and compiles.
"""

from events.policies import Needs, Retry, RunOptions, Timeouts
from orchestrator.authoring import steps
from orchestrator.authoring.algebra import Steps
from orchestrator.authoring.authored import Authored
from orchestrator.authoring.builder import Workflow
from orchestrator.authoring.check import Report, accept, check
from orchestrator.authoring.compile import compile_net, workflow_version
from orchestrator.authoring.dump import dump
from orchestrator.authoring.load import NotLoadable, load, read
from orchestrator.authoring.problems import InvalidDefinition, Place, Problem
from orchestrator.authoring.quantities import seconds
from orchestrator.authoring.schemas import SomeSchemas, TaskSchema
from orchestrator.authoring.terms import Term, call, has, is_in, size
from orchestrator.authoring.yaml import read_yaml

__all__ = [
    "Authored",
    "InvalidDefinition",
    "Needs",
    "NotLoadable",
    "Place",
    "Problem",
    "Report",
    "Retry",
    "RunOptions",
    "SomeSchemas",
    "Steps",
    "TaskSchema",
    "Term",
    "Timeouts",
    "Workflow",
    "accept",
    "call",
    "check",
    "compile_net",
    "dump",
    "has",
    "is_in",
    "load",
    "read",
    "read_yaml",
    "seconds",
    "size",
    "steps",
    "workflow_version",
]
