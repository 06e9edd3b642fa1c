"""Names of the top-level fields of component configurations, to catch a misspelt one early.

A component refuses to start on a field that it does not know, on every node at once.
"""

from __future__ import annotations

# staging/src/k8s.io/kubelet/config/v1beta1/types.go of Kubernetes v1.37.2
# fmt: off
KUBELET_FIELDS = frozenset({
    "address", "allowedUnsafeSysctls", "authentication", "authorization", "cgroupDriver",
    "cgroupRoot", "cgroupsPerQOS", "clusterDNS", "clusterDomain",
    "configMapAndSecretChangeDetectionStrategy", "containerLogMaxFiles",
    "containerLogMaxSize", "containerLogMaxWorkers", "containerLogMonitorInterval",
    "containerRuntimeEndpoint", "contentType", "cpuCFSQuota", "cpuCFSQuotaPeriod",
    "cpuManagerPolicy", "cpuManagerPolicyOptions", "cpuManagerReconcilePeriod",
    "crashLoopBackOff", "defaultPodSysctls", "enableContentionProfiling",
    "enableControllerAttachDetach", "enableDebugFlagsHandler", "enableDebuggingHandlers",
    "enableProfilingHandler", "enableServer", "enableSystemLogHandler",
    "enableSystemLogQuery", "enforceNodeAllocatable", "eventBurst", "eventRecordQPS",
    "evictionHard", "evictionMaxPodGracePeriod", "evictionMinimumReclaim",
    "evictionPressureTransitionPeriod", "evictionSoft", "evictionSoftGracePeriod",
    "failCgroupV1", "failSwapOn", "featureGates", "fileCheckFrequency", "hairpinMode",
    "healthzBindAddress", "healthzPort", "httpCheckFrequency", "imageGCHighThresholdPercent",
    "imageGCLowThresholdPercent", "imageMaximumGCAge", "imageMinimumGCAge",
    "imagePullCredentialsVerificationPolicy", "imageServiceEndpoint", "iptablesDropBit",
    "iptablesMasqueradeBit", "kernelMemcgNotification", "kubeAPIBurst", "kubeAPIQPS",
    "kubeReserved", "kubeReservedCgroup", "kubeletCgroups", "localStorageCapacityIsolation",
    "logging", "makeIPTablesUtilChains", "maxOpenFiles", "maxParallelImagePulls", "maxPods",
    "memoryManagerPolicy", "memoryReservationPolicy", "memorySwap", "memoryThrottlingFactor",
    "mergeDefaultEvictionSettings", "nodeLeaseDurationSeconds", "nodeStatusMaxImages",
    "nodeStatusReportFrequency", "nodeStatusUpdateFrequency", "oomScoreAdj", "podCIDR",
    "podLogsDir", "podPidsLimit", "podsPerCore", "port",
    "preloadedImagesVerificationAllowlist", "protectKernelDefaults", "providerID",
    "qosReserved", "readOnlyPort", "registerNode", "registerWithTaints", "registryBurst",
    "registryPullQPS", "reservedMemory", "reservedSystemCPUs", "resolvConf",
    "rotateCertificates", "runOnce", "runtimeRequestTimeout", "seccompDefault",
    "serializeImagePulls", "serverTLSBootstrap", "showHiddenMetricsForVersion",
    "shutdownGracePeriod", "shutdownGracePeriodByPodPriority",
    "shutdownGracePeriodCriticalPods", "singleProcessOOMKill", "staticPodPath",
    "staticPodURL", "staticPodURLHeader", "streamingConnectionIdleTimeout", "syncFrequency",
    "systemCgroups", "systemReserved", "systemReservedCgroup", "tlsCertFile",
    "tlsCipherSuites", "tlsCurvePreferences", "tlsMinVersion", "tlsPrivateKeyFile",
    "topologyManagerPolicy", "topologyManagerPolicyOptions", "topologyManagerScope",
    "tracing", "userNamespaces", "volumePluginDir", "volumeStatsAggPeriod",
})
# fmt: on

# staging/src/k8s.io/kube-proxy/config/v1alpha1/types.go of Kubernetes v1.37.2
# fmt: off
PROXY_FIELDS = frozenset({
    "bindAddress", "bindAddressHardFail", "clientConnection", "clusterCIDR",
    "configSyncPeriod", "conntrack", "detectLocal", "detectLocalMode", "enableProfiling",
    "featureGates", "healthzBindAddress", "hostnameOverride", "iptables", "ipvs", "logging",
    "metricsBindAddress", "mode", "nftables", "nodePortAddresses", "oomScoreAdj", "portRange",
    "showHiddenMetricsForVersion", "windowsRunAsService", "winkernel",
})
# fmt: on
