"""What the adapter can do, as it answers `initialize`."""

from orchestrator.dap.arming import FILTERS

CAPABILITIES: dict[str, object] = {
    "supportsConfigurationDoneRequest": True,
    "supportsFunctionBreakpoints": True,
    "supportsConditionalBreakpoints": True,
    "supportsHitConditionalBreakpoints": True,
    "supportsLogPoints": True,
    "supportsDataBreakpoints": True,
    "supportsBreakpointLocationsRequest": True,
    "supportsExceptionFilterOptions": True,
    "supportsExceptionInfoRequest": True,
    "exceptionBreakpointFilters": [
        {
            "filter": name,
            "label": label,
            "description": text,
            "default": default,
            "supportsCondition": True,
            "conditionDescription": "CEL, such as error.code == 'timeout'",
        }
        for name, label, text, default in FILTERS
    ],
    "supportsEvaluateForHovers": True,
    "supportsClipboardContext": True,
    "supportsCompletionsRequest": True,
    "completionTriggerCharacters": ["."],
    "supportsStepBack": True,
    "supportsSteppingGranularity": True,
    "supportsGotoTargetsRequest": True,
    "supportsRestartFrame": True,
    "supportsRestartRequest": True,
    "supportsSetVariable": True,
    "supportsModulesRequest": True,
    "supportsLoadedSourcesRequest": True,
    "supportsTerminateRequest": True,
    "supportsDelayedStackTraceLoading": True,
}
