-- What the accounts table says of each account, to condition on and to compare; one row an account.
select
  account_id,
  country,
  plan,
  payment_bin,
  cast(signup_asn as string) as signup_asn,
  signup_net_token as signup_network,
  email_domain,
  verification,
  status,
  epoch_us(created_at) as created,
  epoch_us(closed_at) as closed,
  quota_tokens_day as quota
from accounts
order by account_id
