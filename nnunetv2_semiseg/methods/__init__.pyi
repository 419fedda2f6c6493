from .base import (
    BatchSizes as BatchSizes,
)
from .base import (
    Export as Export,
)
from .base import (
    Method as Method,
)
from .base import (
    NetworkPlan as NetworkPlan,
)
from .base import (
    OptimizerFactory as OptimizerFactory,
)
from .base import (
    ScheduledOptimizer as ScheduledOptimizer,
)
from .base import (
    Setting as Setting,
)
from .registry import (
    discovered_methods as discovered_methods,
)
from .settings import (
    ResolvedConfig as ResolvedConfig,
)
from .settings import (
    all_keys as all_keys,
)
from .settings import (
    resolve_config as resolve_config,
)
from .step import (
    DEPLOYED as DEPLOYED,
)
from .step import (
    LazyPanels as LazyPanels,
)
from .step import (
    LossTerm as LossTerm,
)
from .step import (
    Panel as Panel,
)
from .step import (
    Panels as Panels,
)
from .step import (
    Progress as Progress,
)
from .step import (
    StepContext as StepContext,
)
from .step import (
    StepLosses as StepLosses,
)
