-- One row an account where some have several. What the rows agree on, or only one says, counts; what
-- they contradict each other in counts as unknown and ties nobody. Sign-up is the earliest. A
-- declaration protects, so the best verified and longest standing one counts, and a plan that
-- declares.
select
  account_id,
  min(created_at) as created_at,
  max(organization_id) filter (where declares_best) as organization_id,
  max(organization_verified) filter (where declares_best) as organization_verified,
  max(organization_since) filter (where declares_best) as organization_since,
  coalesce(
    min(plan) filter (where plan in ('enterprise', 'partner')),
    case when min(plan) = max(plan) then min(plan) end
  ) as plan,
  case when min(closed_at) = max(closed_at) then min(closed_at) end as closed_at,
  case when min(status) = max(status) then min(status) end as status,
  case when min(closed_reason) = max(closed_reason) then min(closed_reason) end as closed_reason,
  case when min(restored_at) = max(restored_at) then min(restored_at) end as restored_at,
  case when min(quota_tokens_day) = max(quota_tokens_day) then min(quota_tokens_day) end
    as quota_tokens_day,
  case when min(verification) = max(verification) then min(verification) end as verification,
  case when min(email_domain) = max(email_domain) then min(email_domain) end as email_domain,
  case when min(email_token) = max(email_token) then min(email_token) end as email_token,
  case when min(payment_token) = max(payment_token) then min(payment_token) end as payment_token,
  case when min(payment_bin) = max(payment_bin) then min(payment_bin) end as payment_bin,
  case when min(phone_token) = max(phone_token) then min(phone_token) end as phone_token,
  case when min(device_token) = max(device_token) then min(device_token) end as device_token,
  case when min(signup_ip) = max(signup_ip) then min(signup_ip) end as signup_ip,
  case when min(signup_net_token) = max(signup_net_token) then min(signup_net_token) end
    as signup_net_token,
  case when min(signup_asn) = max(signup_asn) then min(signup_asn) end as signup_asn,
  case when min(country) = max(country) then min(country) end as country,
  case when min(billing_country) = max(billing_country) then min(billing_country) end
    as billing_country
from (
  select
    *,
    organization_id is not null and row_number() over (
      partition by account_id
      order by
        organization_id is null,
        case when organization_verified in ('contract', 'kyc') then 0
          when organization_verified = 'domain' then 1
          else 2 end,
        organization_since nulls last,
        organization_id nulls last,
        organization_verified nulls last
    ) = 1 as declares_best
  from accounts_shipped
)
group by account_id
