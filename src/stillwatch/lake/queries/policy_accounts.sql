-- What a policy must know of each account in `asked` (account_id): its own row, its organisation over all
-- of that organisation's accounts, and its traffic. One row an account of which the log has a row.
with owners as (
  select
    organization_id,
    count(*) as accounts,
    count(distinct email_domain) = 1 and count(email_domain) = count(*) as is_whole_on_one_domain,
    count(distinct payment_token) as payers,
    mode(payment_token order by payment_token) as main_payer
  from accounts
  where organization_id is not null
  group by organization_id
),

traffic as (
  select account_id, count(*) as exchanges, coalesce(sum(output_tokens), 0) as output_tokens
  from exchanges
  where account_id in (select account_id from asked)
  group by account_id
)

select
  a.account_id,
  a.plan,
  a.created_at,
  coalesce(a.status in ('banned', 'closed'), a.closed_at is not null) and a.restored_at is null
    as is_closed,
  a.restored_at is not null as was_restored,
  a.verification,
  a.organization_id,
  a.organization_verified,
  a.organization_since,
  a.payment_token,
  owners.accounts as owner_accounts,
  owners.is_whole_on_one_domain,
  owners.payers,
  owners.main_payer,
  coalesce(traffic.exchanges, 0) as exchanges,
  cast(coalesce(traffic.output_tokens, 0) as bigint) as output_tokens
from accounts a
left join owners using (organization_id)
left join traffic on traffic.account_id = a.account_id
where a.account_id in (select account_id from asked)
order by a.account_id
