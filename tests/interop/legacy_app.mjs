// What an existing application does that meters its customers by itself: counters in
// Redis with INCR and EXPIRE, meter events to Stripe, official clients only, nothing of
// meterdeck. Prints one line of JSON; exits 1 with a sentence if anything is unlike
// Stripe.
//
//   STRIPE_API_BASE  where Stripe is, e.g. http://127.0.0.1:12111
//   STRIPE_API_KEY   the secret key
//   REDIS_URL        where Redis is, e.g. redis://127.0.0.1:6379
//   METER_EVENT_NAME the meter to use; made when it does not exist
//   CUSTOMERS        names of the customers, comma separated
//   CALLS            calls each customer makes; the second is cut off by its limit

import { isDeepStrictEqual } from "node:util";
import { randomUUID } from "node:crypto";
import { createClient } from "redis";
import Stripe from "stripe";

const RETENTION_S = 35 * 24 * 3600;
const EVERY_CALL_AT_ONCE = 10;

const base = new URL(required("STRIPE_API_BASE"));
const stripe = new Stripe(required("STRIPE_API_KEY"), {
  host: base.hostname,
  port: base.port || (base.protocol === "https:" ? "443" : "80"),
  protocol: base.protocol.slice(0, -1),
  maxNetworkRetries: 0,
  telemetry: false,
});
const redis = createClient({ url: required("REDIS_URL") });
redis.on("error", (error) => fail(`Redis: ${error.message}`));

const month = new Date().toISOString().slice(0, 7);
const run = randomUUID().slice(0, 8);
const eventName = process.env.METER_EVENT_NAME || `api_requests_${run}`;
const names = (process.env.CUSTOMERS || "Acme,Globex,Initech").split(",");
const calls = Number(process.env.CALLS || "25");

function required(name) {
  return process.env[name] || fail(`${name} is not set`);
}

function fail(message) {
  console.error(`legacy_app: ${message}`);
  process.exit(1);
}

function expect(what, expected, actual) {
  if (!isDeepStrictEqual(actual, expected)) {
    const text = JSON.stringify;
    fail(`${what}: expected ${text(expected)}, got ${text(actual)}`);
  }
}

async function expectRefusal(what, expected, work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    const { type, code, param, statusCode, message } = error;
    for (const [key, value] of Object.entries(expected)) {
      expect(`${what}: ${key}`, value, { type, code, param, statusCode, message }[key]);
    }
    return;
  }
  fail(`${what} was not refused`);
}

async function meterNamed(name) {
  for await (const meter of stripe.billing.meters.list({ status: "active", limit: 3 })) {
    if (meter.event_name === name) return meter;
  }
  return stripe.billing.meters.create({
    display_name: "API requests",
    event_name: name,
    default_aggregation: { formula: "sum" },
    customer_mapping: { type: "by_id", event_payload_key: "stripe_customer_id" },
    value_settings: { event_payload_key: "value" },
  });
}

async function sell(meter) {
  const product = await stripe.products.create({ name: `Platform ${run}` });
  const recurring = { interval: "month", usage_type: "metered", meter: meter.id };
  const common = { product: product.id, currency: "usd", recurring };
  const perUnit = await stripe.prices.create({
    ...common,
    unit_amount_decimal: Stripe.Decimal ? Stripe.Decimal.from("0.1") : "0.1",
    lookup_key: `per_unit_${run}`,
  });
  const graduated = await stripe.prices.create({
    ...common,
    billing_scheme: "tiered",
    tiers_mode: "graduated",
    tiers: [
      { up_to: 1000, unit_amount: 0, flat_amount: 500 },
      { up_to: "inf", unit_amount: 2 },
    ],
    expand: ["tiers"],
  });
  expect("unit_amount of a tenth of a cent", null, perUnit.unit_amount);
  expect("unit_amount_decimal", "0.1", String(perUnit.unit_amount_decimal));
  expect("tiers' bounds", [1000, null], graduated.tiers.map((tier) => tier.up_to));
  const plain = await stripe.prices.retrieve(graduated.id);
  expect("tiers without expand", undefined, plain.tiers);
  const found = await stripe.prices.list({ lookup_keys: [`per_unit_${run}`] });
  expect("price by lookup key", [perUnit.id], found.data.map((price) => price.id));
  await expectRefusal(
    "a metered price without a meter",
    { type: "StripeInvalidRequestError", statusCode: 400 },
    () =>
      stripe.prices.create({
        ...common,
        recurring: { interval: "month", usage_type: "metered" },
        unit_amount: 1,
      }),
  );
  return [perUnit, graduated];
}

async function signUp(name, price) {
  const customer = await stripe.customers.create({ name, metadata: { run } });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    expand: ["customer"],
  });
  const [item] = subscription.items.data;
  expect("status of a new subscription", "active", subscription.status);
  expect("expanded customer", name, subscription.customer.name);
  expect("period on the subscription", undefined, subscription.current_period_end);
  expect("quantity of a metered item", false, "quantity" in item);
  if (!(item.current_period_start < item.current_period_end)) {
    fail(`period of the item: ${item.current_period_start} to ${item.current_period_end}`);
  }
  return { id: customer.id, name, subscription: subscription.id, count: 0, refused: 0 };
}

// One call of a customer: counted first, taken back when it was over the limit.
async function useOnce(customer, limit) {
  const key = counterKey(customer);
  const count = await redis.incr(key);
  if (count === 1) await redis.expire(key, RETENTION_S);
  if (count > limit) {
    await redis.decr(key);
    customer.refused += 1;
    return;
  }
  customer.count += 1;
}

function counterKey(customer) {
  return `usage:${customer.id}:api_calls:${month}`;
}

async function report(customer, value, identifier) {
  const payload = { stripe_customer_id: customer.id, value: String(value) };
  const event = await stripe.billing.meterEvents.create({
    event_name: eventName,
    identifier,
    payload,
  });
  expect("event's object", "billing.meter_event", event.object);
  expect("event's identifier", identifier, event.identifier);
  expect("event's payload", payload, event.payload);
  expect("event's id", undefined, event.id);
}

async function reportAll(customer) {
  const half = Math.floor(customer.count / 2);
  const identifier = `${run}-${customer.id}-1`;
  await report(customer, half, identifier);
  await report(customer, customer.count - half, `${run}-${customer.id}-2`);
  await expectRefusal(
    "an event sent twice",
    {
      type: "StripeInvalidRequestError",
      statusCode: 400,
      code: undefined,
      message: `An event already exists with identifier ${identifier}.`,
    },
    () => report(customer, half, identifier),
  );
}

async function summarised(meter, customer, window) {
  const hour = 3600;
  const day = 24 * hour;
  const now = Math.floor(Date.now() / 1000);
  let total = 0;
  let after = {};
  for (;;) {
    const page = await stripe.billing.meters.listEventSummaries(meter.id, {
      customer: customer.id,
      start_time: now - (now % day) - day,
      end_time: now - (now % day) + 2 * day,
      ...(window ? { value_grouping_window: window } : {}),
      limit: 1,
      ...after,
    });
    for (const summary of page.data) total += summary.aggregated_value;
    if (!page.has_more) return total;
    after = { starting_after: page.data.at(-1).id };
  }
}

async function main() {
  await redis.connect();
  const meter = await meterNamed(eventName);
  expect("the meter found again", meter.id, (await meterNamed(eventName)).id);
  const prices = await sell(meter);
  const customers = [];
  for (const [index, name] of names.entries()) {
    customers.push(await signUp(name, prices[index % prices.length]));
  }

  for (const [index, customer] of customers.entries()) {
    const limit = index === 1 ? Math.floor(calls / 2) : calls;
    for (let done = 0; done < calls; done += EVERY_CALL_AT_ONCE) {
      const now = Math.min(EVERY_CALL_AT_ONCE, calls - done);
      await Promise.all(Array.from({ length: now }, () => useOnce(customer, limit)));
    }
    expect("the counter", String(customer.count), await redis.get(counterKey(customer)));
    await reportAll(customer);
    for (const window of [null, "hour", "day"]) {
      const total = await summarised(meter, customer, window);
      expect(`summary of ${customer.name} by ${window}`, customer.count, total);
    }
  }

  await expectRefusal(
    "an unknown customer",
    {
      type: "StripeInvalidRequestError",
      statusCode: 404,
      code: "resource_missing",
      param: "id",
      message: "No such customer: 'cus_nobody'",
    },
    () => stripe.customers.retrieve("cus_nobody"),
  );
  const listed = [];
  for await (const each of stripe.subscriptions.list({ price: prices[0].id, limit: 1 })) {
    listed.push(each.customer);
  }
  const expected = customers.filter((_, index) => index % prices.length === 0);
  expect("subscriptions of a price", expected.map(({ id }) => id).reverse(), listed);

  const [perUnit, graduated] = prices.map((price) => price.id);
  const meterAnswer = { id: meter.id, event_name: eventName };
  console.log(
    JSON.stringify({ customers, meter: meterAnswer, prices: { perUnit, graduated } }),
  );
}

main()
  .then(() => redis.close())
  .catch((error) => fail(error.stack));
