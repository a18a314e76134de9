-- Exchanges by the ids under which a proxy's log may know them; stored ones with their file.
select
    exchange_id,
    -- Exchanges of a source are stored as `source:id`; a proxy knows the id alone.
    case
        when starts_with(exchange_id, source_id || ':')
            then substr(exchange_id, length(source_id) + 2)
        else exchange_id
    end as sent_id,
    request_id::varchar as request_id,
    account_id,
    started_at,
    network_log::varchar as network_log,
    _part::varchar as _part
from (
    select
        null::varchar as exchange_id,
        null::varchar as source_id,
        null::varchar as request_id,
        null::varchar as account_id,
        null::timestamptz as started_at,
        null::varchar as network_log,
        null::varchar as _part
    where false
    union all by name
    select * from $exchanges
)
