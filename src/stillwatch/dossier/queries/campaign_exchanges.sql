-- When the exchanges attributed to campaigns took place.
-- The account is part of the key: an attribution never speaks for another account's exchange.
create or replace temp table dossier_exchanges as
select
  attributed.campaign_id,
  attributed.exchange_id,
  attributed.account_id,
  attributed.target,
  exchanges.started_at
from dossier_attributed as attributed
join exchanges using (exchange_id, account_id)
