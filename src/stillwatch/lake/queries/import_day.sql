-- One day of fresh exchanges.
select columns(
    lambda name: name not in (
        '_ordinal', '_file', '_line', '_reason', '_quarantined_at', '_log_format'
    )
)
from $staged as staged
where exists (select 1 from fresh where fresh._ordinal = staged._ordinal)
