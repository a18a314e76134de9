-- The staged rows of the quarantine, and those of events that wait. What waits was not mended.
select file, line, reason, quarantined_at, log_format, mended_at, _ordinal
from $staged as staged
where staged.mended_at is null
    or (staged.file, staged.line, staged.reason) not in (
        select (file, line, reason) from call_waiting
    )
union all by name
select file, line, reason, quarantined_at, log_format, null::timestamptz as mended_at, _ordinal
from call_waiting
