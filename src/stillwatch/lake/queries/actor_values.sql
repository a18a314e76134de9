-- Which accounts show a value that a profile of an actor names: one row an account, profile and family.
-- Reads the table `actor_values` (profile, family, value). A value that ends in `.` or `:` is the
-- beginning of a network's token: where tokens have parts, a common prefix is a common network.
-- Country and language are not asked: they are never evidence.
with shown as (
  unpivot (
    select
      account_id,
      client_net_token as infrastructure_net,
      client_ip as infrastructure_ip,
      client_asn::varchar as infrastructure_asn,
      tls_fingerprint as infrastructure_tls,
      user_agent as metadata_agent,
      client_metadata as metadata_fields
    from exchanges
  )
  on infrastructure_net, infrastructure_ip, infrastructure_asn, infrastructure_tls, metadata_agent,
    metadata_fields
  into name kind value shown_value
),

signed_up as (
  unpivot (
    select
      account_id,
      signup_net_token as infrastructure_net,
      signup_ip as infrastructure_ip,
      signup_asn::varchar as infrastructure_asn,
      payment_bin as infrastructure_bin,
      email_domain as infrastructure_domain,
      device_token as infrastructure_device,
      payment_token as infrastructure_payment
    from accounts
  )
  on infrastructure_net, infrastructure_ip, infrastructure_asn, infrastructure_bin,
    infrastructure_domain, infrastructure_device, infrastructure_payment
  into name kind value shown_value
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
    or (wanted.value[-1] in ('.', ':') and starts_with(held.shown_value, wanted.value))
    or (wanted.family = 'metadata' and json_valid(held.shown_value)
      and list_contains(json_extract_string(held.shown_value, '$.*'), wanted.value))
  )
order by held.account_id, wanted.profile, wanted.family
