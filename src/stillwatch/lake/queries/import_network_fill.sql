-- Exchanges with what a proxy measured of their requests. Its address takes the place of one that
-- the exchange's own source told, for that may be a header's word or the proxy's own; a private
-- one only fills. Where that moves a client to another network, what was said of the first goes.
select
    told.* exclude (
        client_ip, client_net_token, client_asn, client_country, client_network, tls_fingerprint,
        user_agent, network_log, _takes_address, _moves, _seen
    ),
    case when _takes_address then _seen.client_ip else told.client_ip end as client_ip,
    case when _takes_address then _seen.client_net_token else told.client_net_token end
        as client_net_token,
    case when not _moves then told.client_asn end as client_asn,
    case when not _moves then told.client_country end as client_country,
    case when not _moves then told.client_network end as client_network,
    coalesce(_seen.tls_fingerprint, told.tls_fingerprint) as tls_fingerprint,
    coalesce(told.user_agent, _seen.user_agent) as user_agent,
    coalesce(told.network_log, _seen.network_log) as network_log
from (
    select
        rows.*,
        _seen,
        _seen.client_ip is not null
        and (
            _seen.public_address
            or (rows.client_ip is null and rows.client_net_token is null)
        ) is true as _takes_address,
        _takes_address
        and coalesce(rows.client_net_token, rows.client_ip) is not null
        and rows.client_net_token is distinct from _seen.client_net_token as _moves
    from (
        select
            null::varchar as client_ip,
            null::varchar as client_net_token,
            null::bigint as client_asn,
            null::varchar as client_country,
            null::varchar as client_network,
            null::varchar as tls_fingerprint,
            null::varchar as user_agent,
            null::varchar as network_log
        where false
        union all by name
        select * from $rows
    ) as rows
    left join network_joined as _seen
        on _seen.exchange_id = rows.exchange_id and not _seen.is_contested
) as told
