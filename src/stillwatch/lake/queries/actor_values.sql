-- Which accounts show a value that a profile of an actor names: one row an account, profile and family.
-- Reads the table `actor_values` (profile, family, value). A value that ends in `.` or `:` is the
-- beginning of a network's token: where tokens have parts, a common prefix is a common network.
-- Country and language are not asked: they are never evidence.
with shown as (
  select account_id, kind, shown_value
  from (
    select
      account_id,
      client_net_token as infrastructure_net,
      client_ip as infrastructure_ip,
      cast(client_asn as string) as infrastructure_asn,
      tls_fingerprint as infrastructure_tls,
      user_agent as metadata_agent,
      client_metadata as metadata_fields
    from exchanges
  )
  unpivot (shown_value for kind in (
    infrastructure_net, infrastructure_ip, infrastructure_asn, infrastructure_tls, metadata_agent,
    metadata_fields
  ))
),

signed_up as (
  select account_id, kind, shown_value
  from (
    select
      account_id,
      signup_net_token as infrastructure_net,
      signup_ip as infrastructure_ip,
      cast(signup_asn as string) as infrastructure_asn,
      payment_bin as infrastructure_bin,
      email_domain as infrastructure_domain,
      device_token as infrastructure_device,
      payment_token as infrastructure_payment
    from accounts
  )
  unpivot (shown_value for kind in (
    infrastructure_net, infrastructure_ip, infrastructure_asn, infrastructure_bin,
    infrastructure_domain, infrastructure_device, infrastructure_payment
  ))
),

held as (
  select account_id, split_part(kind, '_', 1) as family, shown_value from shown
  union
  select account_id, split_part(kind, '_', 1) as family, shown_value from signed_up
)

select distinct held.account_id, wanted.profile, wanted.family
from held
join actor_values wanted
  on wanted.family = held.family
  and (
    wanted.value = held.shown_value
    or (right(wanted.value, 1) in ('.', ':')
      and left(held.shown_value, length(wanted.value)) = wanted.value)
    or (wanted.family = 'metadata'
      and array_contains(json_values(held.shown_value), wanted.value))
  )
order by held.account_id, wanted.profile, wanted.family
