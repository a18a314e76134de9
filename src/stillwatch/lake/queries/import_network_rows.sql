-- Rows of a proxy's log, with every column that the join needs.
select *
from (
    select
        null::varchar as request_id,
        null::timestamptz as started_at,
        null::varchar as network_log,
        null::timestamptz as finished_at,
        null::varchar as client_ip,
        null::varchar as client_net_token,
        null::boolean as public_address,
        null::varchar as tls_fingerprint,
        null::varchar as user_agent
    where false
)
union all by name
select * from $rows
