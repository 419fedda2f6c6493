from .base import (
    BatchSizes as BatchSizes,
    Export as Export,
    Method as Method,
    NetworkPlan as NetworkPlan,
    OptimizerFactory as OptimizerFactory,
    ScheduledOptimizer as ScheduledOptimizer,
    Setting as Setting,
)
from .registry import (
    discovered_methods as discovered_methods,
)
from .settings import (
    ResolvedConfig as ResolvedConfig,
    all_keys as all_keys,
    resolve_config as resolve_config,
)
from .step import (
    DEPLOYED as DEPLOYED,
    LazyPanels as LazyPanels,
    LossTerm as LossTerm,
    Panel as Panel,
    Panels as Panels,
    Progress as Progress,
    StepContext as StepContext,
    StepLosses as StepLosses,
)
