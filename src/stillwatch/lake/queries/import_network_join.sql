-- For each exchange that lacks it, what a proxy's log says of its request: of several rows the
-- first. A row counts only while its request lasted, with room for two clocks that differ; then
-- an id that comes again another day is another request. An exchange gets nothing where rows
-- under one id disagree on the address or are too many, or where one row fits exchanges of several
-- accounts: such an id was chosen by clients, and a stranger's network is worse than none.
create or replace temp table network_joined as
with named as (
    select exchange_id, account_id, started_at, network_log, 0 as choice, request_id as named_id
    from network_exchanges
    where request_id is not null
    union all
    select exchange_id, account_id, started_at, network_log, 1, sent_id
    from network_exchanges
),
pairs as (
    select
        named.exchange_id,
        named.account_id,
        named.network_log is not null as has_network,
        seen.*
    from named
    join network_rows as seen on seen.request_id = named.named_id
    where named.started_at >= seen.started_at - interval $room
        and named.started_at <= interval $room + least(
            greatest(seen.started_at, coalesce(seen.finished_at, seen.started_at)),
            seen.started_at + interval $longest
        )
    qualify named.choice = min(named.choice) over (partition by named.exchange_id)
),
of_several_accounts as (
    select request_id, started_at, client_ip
    from pairs
    group by request_id, started_at, client_ip
    having count(distinct account_id) > 1
)
select
    exchange_id,
    request_id,
    count(*) over of_exchange > 1 as is_doubled,
    bool_or(is_crowded) over of_exchange
    or min(client_ip) over of_exchange is distinct from max(client_ip) over of_exchange
    or bool_or(
        exists (
            select 1
            from of_several_accounts as other
            where other.request_id = pairs.request_id
                and other.started_at = pairs.started_at
                and other.client_ip is not distinct from pairs.client_ip
        )
    ) over of_exchange as is_contested,
    network_log,
    client_ip,
    client_net_token,
    public_address,
    tls_fingerprint,
    user_agent
from pairs
where not has_network
window of_exchange as (partition by exchange_id)
qualify row_number() over (
    partition by exchange_id
    order by started_at, finished_at, client_ip, tls_fingerprint, user_agent
) = 1
