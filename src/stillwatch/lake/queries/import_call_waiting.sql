-- Events that name no account, and of whose id there is no exchange.
create or replace temp table call_waiting as
select
    calls._file as file,
    calls._line as line,
    calls._reason as reason,
    min(calls._quarantined_at) as quarantined_at,
    min(calls._log_format) as log_format,
    min(calls._ordinal) as _ordinal,
    count(*) as events
from $calls as calls
where calls.account_id is null
    and calls.exchange_id not in (select exchange_id from call_matches)
    -- Another piece of the same call may name the account.
    and calls.exchange_id not in (
        select exchange_id
        from $calls
        where _ordinal in (select _ordinal from fresh)
    )
group by calls._file, calls._line, calls._reason
