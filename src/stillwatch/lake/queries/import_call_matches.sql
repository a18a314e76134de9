-- Events without their span, and the exchange of the same id: where it lies, a file of the lake or
-- a day of staged exchanges. Of a call that is told in several pieces, the first counts.
create or replace temp table call_matches as
with calls as (
    select exchange_id, min(_ordinal) as _ordinal
    from $calls
    group by exchange_id
)
select calls.exchange_id, calls._ordinal, exchanges._part as place, true as has_news
from calls
join $exchanges as exchanges using (exchange_id)
-- A fresh exchange may be made of the very event.
where not exists (select 1 from fresh where fresh._ordinal = calls._ordinal)
