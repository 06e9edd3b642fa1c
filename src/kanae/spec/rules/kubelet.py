"""Values of KubeletConfiguration: of the type that kubelet decodes, and none that cuts it off.

Kubelet does not start on a value of another type, on every node at once. Source of the types:
staging/src/k8s.io/kubelet/config/v1beta1/types.go of Kubernetes v1.37.2; durations are
metav1.Duration, Go's time.ParseDuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kanae.spec.rules.violation import Violation
from kanae.spec.scalar import quoted
from kanae.spec.tree import Path

# fmt: off
_BOOLEANS = frozenset({
    "cgroupsPerQOS", "cpuCFSQuota", "enableContentionProfiling", "enableControllerAttachDetach",
    "enableDebugFlagsHandler", "enableDebuggingHandlers", "enableProfilingHandler",
    "enableServer", "enableSystemLogHandler", "enableSystemLogQuery", "kernelMemcgNotification",
    "localStorageCapacityIsolation", "makeIPTablesUtilChains", "mergeDefaultEvictionSettings",
    "protectKernelDefaults", "seccompDefault", "serializeImagePulls", "serverTLSBootstrap",
    "singleProcessOOMKill",
})
_NUMBERS = frozenset({
    "containerLogMaxFiles", "containerLogMaxWorkers", "eventBurst", "eventRecordQPS",
    "evictionMaxPodGracePeriod", "imageGCHighThresholdPercent", "imageGCLowThresholdPercent",
    "iptablesDropBit", "iptablesMasqueradeBit", "kubeAPIBurst", "kubeAPIQPS", "maxOpenFiles",
    "maxParallelImagePulls", "maxPods", "nodeLeaseDurationSeconds", "nodeStatusMaxImages",
    "oomScoreAdj", "podPidsLimit", "podsPerCore", "readOnlyPort", "registryBurst",
    "registryPullQPS",
})
_DURATIONS = frozenset({
    "containerLogMonitorInterval", "cpuCFSQuotaPeriod", "cpuManagerReconcilePeriod",
    "evictionPressureTransitionPeriod", "fileCheckFrequency", "httpCheckFrequency",
    "imageMaximumGCAge", "imageMinimumGCAge", "nodeStatusReportFrequency",
    "nodeStatusUpdateFrequency", "runtimeRequestTimeout", "shutdownGracePeriod",
    "shutdownGracePeriodCriticalPods", "streamingConnectionIdleTimeout", "syncFrequency",
    "volumeStatsAggPeriod",
})
_TEXTS = frozenset({
    "address", "cgroupRoot", "configMapAndSecretChangeDetectionStrategy", "containerLogMaxSize",
    "contentType", "cpuManagerPolicy", "hairpinMode", "healthzBindAddress", "kubeletCgroups",
    "kubeReservedCgroup", "memoryManagerPolicy", "podCIDR", "providerID", "reservedSystemCPUs",
    "showHiddenMetricsForVersion", "systemCgroups", "systemReservedCgroup", "tlsMinVersion",
    "topologyManagerPolicy", "topologyManagerScope",
})
_PATHS = frozenset({
    "podLogsDir", "resolvConf", "tlsCertFile", "tlsPrivateKeyFile", "volumePluginDir",
})
_LISTS = frozenset({
    "allowedUnsafeSysctls", "enforceNodeAllocatable", "reservedMemory",
    "shutdownGracePeriodByPodPriority", "tlsCipherSuites",
})
_MAPPINGS = frozenset({
    "cpuManagerPolicyOptions", "crashLoopBackOff", "evictionHard", "evictionMinimumReclaim",
    "evictionSoft", "evictionSoftGracePeriod", "featureGates", "kubeReserved", "logging",
    "memorySwap", "qosReserved", "systemReserved", "topologyManagerPolicyOptions", "tracing",
    "userNamespaces",
})
# fmt: on
_DURATION = re.compile(r"0|[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+")
# Or nothing, which is kubelet's default, or of resolvConf no file at all.
_PATH = re.compile(r"(?!.* -> )(/[^\x00-\x1f\x7f\\\ud800-\udfff]*)?")
# Fields with one value that leaves a cluster whole and closed -> it, and what another one does.
_FIXED: dict[str, tuple[object, str]] = {
    "address": ("0.0.0.0", "the API server reaches kubelet by the host's address"),  # noqa: S104
    "enableServer": (True, "logs, exec and metrics of pods go through kubelet's server"),
    "readOnlyPort": (0, "whoever reaches the port would read all pods without a certificate"),
}


def kubelet_values(settings: Mapping[str, object], place: Path) -> Iterator[Violation]:
    for field, value in settings.items():
        if value is None:
            continue  # as if it were not there
        if expected := _wrong(field, value):
            yield Violation((*place, field), f"expected {expected}{_but(value)}")
        elif field in _FIXED and value != _FIXED[field][0]:
            fixed, why = _FIXED[field]
            words = str(fixed).lower()
            yield Violation((*place, field), f"expected {words}: {why}")


def _but(value: object) -> str:
    return f", not {quoted(str(value))}" if isinstance(value, str | int | float) else ""


def _wrong(field: str, value: object) -> str:
    """What a field holds, in words, where the value is of another type; "" where it is right."""
    wanted: dict[str, tuple[frozenset[str], bool]] = {
        "true or false": (_BOOLEANS, isinstance(value, bool)),
        "a whole number": (_NUMBERS, type(value) is int),
        "a duration such as 1m30s": (
            _DURATIONS,
            isinstance(value, str) and _DURATION.fullmatch(value) is not None,
        ),
        "text": (_TEXTS, isinstance(value, str)),
        "an absolute path": (
            _PATHS,
            isinstance(value, str) and _PATH.fullmatch(value) is not None,
        ),
        "a list": (_LISTS, isinstance(value, list)),
        "a mapping of names to values": (_MAPPINGS, isinstance(value, dict)),
    }
    return next((words for words, (of, fits) in wanted.items() if field in of and not fits), "")
