// A whole billing integration by the official JavaScript SDK: what its objects hold is
// asserted here, so that any difference from Stripe ends the program with exit code 1.
//
//   STRIPE_API_BASE  where Stripe is, e.g. http://127.0.0.1:12111
//   STRIPE_API_KEY   the secret key
//
// Prints one line of JSON: the types of the errors it saw and the total of a preview.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import Stripe from "stripe";

const base = new URL(process.env.STRIPE_API_BASE);
const stripe = new Stripe(process.env.STRIPE_API_KEY, {
  host: base.hostname,
  port: base.port,
  protocol: "http",
  maxNetworkRetries: 0,
  telemetry: false,
});
const errors = [];

async function refused(expected, work) {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof Stripe.errors.StripeError, error);
    const shown = Object.keys(expected).map((key) => [key, error[key]]);
    assert.deepEqual(Object.fromEntries(shown), expected);
    errors.push(error.type);
    return;
  }
  assert.fail(`not refused: ${JSON.stringify(expected)}`);
}

async function all(list) {
  const found = [];
  for await (const each of list) found.push(each);
  return found;
}

async function meters() {
  const meter = await stripe.billing.meters.create({
    display_name: "API requests",
    event_name: "api_requests",
    default_aggregation: { formula: "sum" },
    value_settings: { event_payload_key: "value" },
  });
  assert.equal(meter.object, "billing.meter");
  assert.deepEqual(meter.customer_mapping, {
    event_payload_key: "stripe_customer_id",
    type: "by_id",
  });
  const other = await stripe.billing.meters.create({
    display_name: "Seats",
    event_name: "seats",
    default_aggregation: { formula: "last" },
    event_time_window: "day",
  });
  const renamed = await stripe.billing.meters.update(other.id, { display_name: "S" });
  assert.equal(renamed.display_name, "S");
  const closed = await stripe.billing.meters.deactivate(other.id);
  assert.equal(closed.status, "inactive");
  assert.ok(closed.status_transitions.deactivated_at >= other.created);
  const opened = await stripe.billing.meters.reactivate(other.id);
  assert.equal(opened.status_transitions.deactivated_at, null);
  const listed = await all(stripe.billing.meters.list({ limit: 1 }));
  assert.deepEqual(listed.map((each) => each.id), [other.id, meter.id]);
  return meter;
}

async function prices(meter) {
  const product = await stripe.products.create({ name: "Platform" });
  const common = {
    product: product.id,
    currency: "usd",
    recurring: { interval: "month", usage_type: "metered", meter: meter.id },
  };
  const tiered = await stripe.prices.create({
    ...common,
    billing_scheme: "tiered",
    tiers_mode: "graduated",
    tiers: [
      { up_to: 1000, unit_amount: 1 },
      { up_to: "inf", unit_amount_decimal: Stripe.Decimal.from("0.5") },
    ],
    expand: ["tiers", "product"],
  });
  assert.equal(tiered.product.name, "Platform");
  assert.deepEqual(tiered.tiers.map((each) => each.up_to), [1000, null]);
  assert.deepEqual(tiered.tiers.map((each) => each.unit_amount), [1, null]);
  assert.equal(String(tiered.tiers[1].unit_amount_decimal), "0.5");
  const tenth = await stripe.prices.create({
    ...common,
    unit_amount_decimal: Stripe.Decimal.from("0.1"),
  });
  assert.equal(tenth.unit_amount, null);
  assert.equal(String(tenth.unit_amount_decimal), "0.1");
  assert.equal("tiers" in (await stripe.prices.retrieve(tiered.id)), false);
  return { tiered, tenth, product };
}

async function subscribe(price) {
  const customer = await stripe.customers.create({ name: "Acme", email: "a@b.example" });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    expand: ["customer"],
  });
  const [item] = subscription.items.data;
  assert.equal(subscription.customer.name, "Acme");
  assert.equal(subscription.status, "active");
  assert.equal(item.price.recurring.meter, price.recurring.meter);
  assert.equal("quantity" in item, false);
  assert.ok(item.current_period_start < item.current_period_end);
  const listed = await all(stripe.subscriptions.list({ customer: customer.id }));
  assert.deepEqual(listed.map((each) => each.id), [subscription.id]);
  return { customer, subscription };
}

async function usage(meter, customer, now) {
  const payload = { stripe_customer_id: customer.id, value: "1000" };
  const event = { event_name: "api_requests", payload };
  const sent = await stripe.billing.meterEvents.create({ ...event, identifier: "v1" });
  assert.equal(sent.object, "billing.meter_event");
  assert.deepEqual(sent.payload, payload);
  assert.equal("id" in sent, false);
  const second = await stripe.v2.billing.meterEvents.create({
    ...event,
    identifier: "v2",
    timestamp: new Date((now - 3600) * 1000).toISOString(),
  });
  assert.equal(second.object, "v2.billing.meter_event");
  assert.ok(/\.\d{3}Z$/.test(second.created), second.created);
  const session = await stripe.v2.billing.meterEventSession.create();
  const minutes = (Date.parse(session.expires_at) - Date.parse(session.created)) / 60000;
  assert.equal(minutes, 15);
  const billed = ["a", "b"].map((identifier) => ({ ...event, identifier }));
  const nobody = { event_name: "api_requests", payload: { value: "1" } };
  await stripe.v2.billing.meterEventStream.create(
    { events: [...billed, nobody] },
    { apiKey: session.authentication_token },
  );
  const adjusted = await stripe.billing.meterEventAdjustments.create({
    event_name: "api_requests",
    type: "cancel",
    cancel: { identifier: "v1" },
  });
  assert.equal(adjusted.status, "pending");
  const day = now - (now % 86400);
  const hours = await all(
    stripe.billing.meters.listEventSummaries(meter.id, {
      customer: customer.id,
      start_time: day - 86400,
      end_time: day + 86400,
      value_grouping_window: "hour",
      limit: 1,
    }),
  );
  assert.deepEqual(hours.map((each) => each.aggregated_value), [2000, 1000]);
}

async function lateErrors() {
  const type = "v1.billing.meter.error_report_triggered";
  const [found] = await all(stripe.v2.core.events.list({ limit: 1, types: [type] }));
  const event = await stripe.v2.core.events.retrieve(found.id);
  assert.equal(event.type, type);
  const [kind] = event.data.reason.error_types;
  assert.equal(kind.code, "meter_event_no_customer_defined");
}

async function typedErrors(customer) {
  const key = { idempotencyKey: "key-1" };
  const made = await stripe.customers.create({ name: "Once" }, key);
  const again = await stripe.customers.create({ name: "Once" }, key);
  assert.equal(again.id, made.id);
  assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
  await refused({ type: "StripeIdempotencyError", statusCode: 400 }, () =>
    stripe.customers.create({ name: "Twice" }, key),
  );
  await refused(
    {
      type: "StripeInvalidRequestError",
      code: undefined,
      message: "An event already exists with identifier v2.",
    },
    () =>
      stripe.billing.meterEvents.create({
        event_name: "api_requests",
        identifier: "v2",
        payload: { stripe_customer_id: customer.id, value: "1" },
      }),
  );
  await refused(
    { type: "StripeInvalidRequestError", code: "resource_missing", statusCode: 404 },
    () => stripe.customers.retrieve("cus_nobody"),
  );
  await refused({ type: "StripeRateLimitError", code: "rate_limit" }, () =>
    stripe.accounts.retrieve(),
  );
  await refused({ type: "StripeAuthenticationError", statusCode: 401 }, () =>
    stripe.customers.list({}, { apiKey: "sk_test_somebody_elses" }),
  );
  await refused(
    {
      type: "TemporarySessionExpiredError",
      code: "billing_meter_event_session_expired",
    },
    () =>
      stripe.v2.billing.meterEventStream.create({ events: [] }, { apiKey: "stale" }),
  );
}

async function billing(meter, customer, subscription, tiered) {
  const alert = await stripe.billing.alerts.create({
    alert_type: "usage_threshold",
    title: "Much",
    usage_threshold: { gte: 10000, meter: meter.id, recurrence: "one_time" },
  });
  assert.equal(alert.status, "active");
  const archived = await stripe.billing.alerts.archive(alert.id);
  assert.equal(archived.status, "archived");
  const grant = await stripe.billing.creditGrants.create({
    customer: customer.id,
    amount: { type: "monetary", monetary: { currency: "usd", value: 300 } },
    applicability_config: { scope: { price_type: "metered" } },
  });
  assert.equal(grant.amount.monetary.value, 300);
  const balance = await stripe.billing.creditBalanceSummaries.retrieve({
    customer: customer.id,
    filter: { type: "credit_grant", credit_grant: grant.id },
  });
  assert.equal(balance.balances[0].available_balance.monetary.value, 300);
  await stripe.billing.creditGrants.voidGrant(grant.id);
  const preview = await stripe.invoices.createPreview({ subscription: subscription.id });
  assert.equal(preview.currency, "usd");
  // What was used before the subscription began is not billed.
  assert.deepEqual(preview.lines.data.map((each) => each.quantity), [1000, 1000]);
  assert.equal(preview.lines.data[0].pricing.price_details.price, tiered.id);
  const found = await stripe.customers.search({ query: "email:'a@b.example'" });
  assert.deepEqual(found.data.map((each) => each.id), [customer.id]);
  return preview.total;
}

async function clock(price) {
  const start = Date.parse("2030-01-01T00:00:00Z") / 1000;
  const { testClocks } = stripe.testHelpers;
  const made = await testClocks.create({ frozen_time: start, name: "2030" });
  assert.equal(made.status, "ready");
  const customer = await stripe.customers.create({ test_clock: made.id });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
  });
  assert.equal(subscription.test_clock, made.id);
  await stripe.billing.meterEvents.create({
    event_name: "api_requests",
    timestamp: start + 60,
    payload: { stripe_customer_id: customer.id, value: "10" },
  });
  const moved = await testClocks.advance(made.id, { frozen_time: start + 32 * 86400 });
  assert.equal(moved.status, "advancing");
  assert.equal((await testClocks.retrieve(made.id)).status, "ready");
  const [invoice] = await all(stripe.invoices.list({ customer: customer.id }));
  assert.deepEqual([invoice.total, invoice.status], [10, "paid"]);
  const [item] = (await stripe.subscriptions.retrieve(subscription.id)).items.data;
  assert.equal(item.current_period_start, Date.parse("2030-02-01T00:00:00Z") / 1000);
  const gone = await testClocks.del(made.id);
  assert.equal(gone.deleted, true);
}

async function webhook() {
  const arrived = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    arrived.push([Buffer.concat(parts), request.headers["stripe-signature"]]);
    response.end();
    server.emit("arrived");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = await stripe.webhookEndpoints.create({
    url: `http://127.0.0.1:${server.address().port}/hook`,
    enabled_events: ["product.created"],
  });
  const waiting = once(server, "arrived");
  const product = await stripe.products.create({ name: "Pushed" });
  await waiting;
  server.close();
  server.closeAllConnections();
  const [[body, signature]] = arrived;
  // The sandbox signs by the account's clock, which stands still.
  const at = Number(/t=(\d+)/.exec(signature)[1]) * 1000;
  const check = (text) =>
    stripe.webhooks.constructEvent(text, signature, endpoint.secret, 300, undefined, at);
  const event = check(body);
  assert.equal(event.type, "product.created");
  assert.equal(event.data.object.id, product.id);
  await refused({ type: "StripeSignatureVerificationError" }, async () =>
    check(`${body} `),
  );
}

const meter = await meters();
const { tiered } = await prices(meter);
const { customer, subscription } = await subscribe(tiered);
await usage(meter, customer, subscription.created);
await typedErrors(customer);
const total = await billing(meter, customer, subscription, tiered);
await clock(tiered);
await webhook();
await lateErrors();
console.log(JSON.stringify({ errors, total }));
