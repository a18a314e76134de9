-- Of the staged exchanges whose id is known already, how many say something else than the exchange
-- that holds: another account, time or model, or another text. What is not said is no difference,
-- and one of another day is, unread.
with repeated as (
    select *
    from ($staged) as staged
    where not exists (select 1 from fresh where fresh._ordinal = staged._ordinal)
),
holding as (
    select * exclude (_ordinal)
    from ($staged) as staged
    where exists (select 1 from fresh where fresh._ordinal = staged._ordinal)
    union all
    select * from ($stored)
)
select (select count(*) from repeated) - (
    select count(*)
    from repeated
    join holding using (exchange_id)
    where $alike
)
