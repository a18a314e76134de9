-- The functions of the named queries that Spark calls otherwise or has not. Each stands in
-- prelude_duckdb.sql, too, or is built into DuckDB.
create or replace temporary function epoch_us(moment timestamp) returns bigint
  return unix_micros(moment);

create or replace temporary function moment(written string) returns timestamp
  return cast(written as timestamp);

-- 60 bits of md5: the same in every engine, and a signed 64-bit column holds it.
create or replace temporary function stable_hash(written string) returns bigint
  return cast(conv(substr(md5(written), 1, 15), 16, 10) as bigint);

-- Numbers for texts, quickly: they tell different texts apart, now and then two have one. They differ
-- between engines and releases, and may never leave a query.
create or replace temporary function quick_number(written string) returns bigint
  return xxhash64(written);

create or replace temporary function quick_number_of_two(one string, other string) returns bigint
  return xxhash64(one, other);

-- The shortest decimal that reads as the same number, as DuckDB writes it. Java writes numbers below
-- a thousandth and from ten million on as powers of ten, DuckDB below a ten-thousandth and from 1e16
-- on: `digits` are the significant ones, `power` that of ten.
create or replace temporary function decimal_text(sign string, digits string, power int) returns string
  return sign || case
    when power = -4 then '0.000' || digits
    when power between 7 and 15 and length(digits) <= power + 1
      then rpad(digits, power + 1, '0') || '.0'
    when power between 7 and 15 then left(digits, power + 1) || '.' || substr(digits, power + 2)
    else left(digits, 1)
      || case when length(digits) > 1 then '.' || substr(digits, 2) else '' end
      || case when power < 0 then 'e-' else 'e+' end
      || lpad(cast(abs(power) as string), 2, '0')
  end;

create or replace temporary function number_text(number double) returns string
  return case
    when isnan(number) then 'nan'
    when number = double('infinity') then 'inf'
    when number = double('-infinity') then '-inf'
    when cast(number as string) not like '%E%' then cast(number as string)
    else decimal_text(
      case when number < 0 then '-' else '' end,
      rtrim('0', translate(split_part(cast(number as string), 'E', 1), '-.', '')),
      -- Arguments are worked out for every number, those without a power included.
      try_cast(split_part(cast(number as string), 'E', 2) as int)
    )
  end;

-- The values of a JSON object as text; of no object none.
create or replace temporary function json_values(written string) returns array<string>
  return map_values(from_json(written, 'map<string,string>'));

create or replace temporary function place_counts(exchanges bigint, serving bigint, first_other bigint)
  returns struct<exchanges bigint, serving bigint, first_other bigint>
  return named_struct('exchanges', exchanges, 'serving', serving, 'first_other', first_other);
