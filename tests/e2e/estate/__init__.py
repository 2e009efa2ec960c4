# SPDX-License-Identifier: Apache-2.0
"""Hosts on one kernel: network namespaces, cgroups, an Enforcer each, and a router in between."""

from .enforcer import Enforcer
from .host import Host
from .middlebox import Box
from .network import Estate
from .policy import RESERVED, external, option, policy, rule, ruleset
from .system import REPOSITORY, System, wait_for
from .tool import Process, Result

__all__ = ["Box", "Enforcer", "Estate", "Host", "Process", "REPOSITORY", "RESERVED", "Result",
           "System", "external", "option", "policy", "rule", "ruleset", "wait_for"]
