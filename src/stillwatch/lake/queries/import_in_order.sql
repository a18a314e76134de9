-- Exchanges in an order that does not depend on how they came.
select * from ($rows) as rows
order by started_at, exchange_id
