"""`meterdeck catalogue lint` and `catalogue import` on a real account."""

import pytest
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller


@pytest.fixture
def product(stripe_server: tuple[Seller, str]) -> str:
    """What the account sells: usage for $0.001, and a fee without a lookup key."""
    seller, _ = stripe_server
    product = seller.product("The API")
    seller.metered_price(seller.meter(), product, lookup_key="api")
    seller.licensed_price(product)
    return product


def test_an_import_is_written_once_and_agrees_with_the_account(
    stripe_cli: CommandLine, product: str
) -> None:
    """It prints or adds tables, says what it leaves out, and plan finds nothing."""
    before = stripe_cli.config.read_bytes()
    printed = stripe_cli("catalogue", "import")
    as_json = stripe_cli("catalogue", "import", "--json").json
    unchanged = stripe_cli.config.read_bytes()

    written = stripe_cli("catalogue", "import", "--write")
    after = stripe_cli.config.read_bytes()
    again = stripe_cli("catalogue", "import", "--write")
    plan = stripe_cli("catalogue", "plan")

    assert (printed.code, written.code, again.code, plan.code) == (0, 0, 0, 0)
    assert '[prices.api]\nproduct = "the_api"\nmeter = "api_requests"\n' in printed.out
    assert 'unit = "0.001 USD"\n' in printed.out
    assert "cannot be declared: 1; the comments say why" in printed.err
    assert as_json["toml"] == printed.out
    assert "no lookup key" in as_json["left_out"][0]["why"]
    assert unchanged == before
    assert written.out.startswith(f"added to {stripe_cli.config}: 1 meter, 1 product, ")
    assert after.startswith(before)
    assert after.decode().endswith(printed.out)
    assert again.out.startswith("nothing to add")
    assert stripe_cli.config.read_bytes() == after


def test_lint_looks_at_the_configuration_and_at_the_account(
    stripe_cli: CommandLine,
    product: str,
    stripe_server: tuple[Seller, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends with 1 where it warns; offline it needs neither Stripe nor its key."""
    fine = stripe_cli("catalogue", "import", "--write", "--json").code
    toml = stripe_cli.config.read_text().replace('"0.001 USD"', '"0.1 USD" # $0.001')
    keys = '[prices.pro_monthly]\nproduct = "the_api"\nunit = "10 USD"\n'
    stripe_cli.config.write_text(toml + keys)
    seller, _ = stripe_server
    seller.meter("storage_gb")

    asked = stripe_cli("catalogue", "lint", "--json")
    people = stripe_cli("catalogue", "lint")
    monkeypatch.delenv("STRIPE_KEY")
    offline = stripe_cli("catalogue", "lint", "--offline", "--json")

    assert (fine, asked.code, people.code, offline.code) == (0, 1, 1, 1)
    found = [each["code"] for each in asked.json["warnings"]]
    assert (asked.json["account"], asked.json["sound"]) == (True, False)
    assert found == ["amount-unlike-comment", "amount-unlike-siblings", "meter-unused"]
    assert (
        f"! {stripe_cli.config}: prices.api.unit  amount-unlike-comment" in people.out
    )
    assert people.out.endswith("3 warnings\n")
    assert [each["code"] for each in offline.json["warnings"]] == [
        "amount-unlike-comment",
        "resource-without-meter",
    ]
    assert (offline.json["context"], offline.json["account"]) == ("billed", False)


def test_without_a_stripe_there_is_nothing_to_import(cli: CommandLine) -> None:
    """It is said in one sentence; lint looks at what there is."""
    none = cli("catalogue", "import", "--context", "staging")
    nowhere = cli("catalogue", "lint", "--offline", "--context", "sandbox")

    assert (none.code, none.err.count("\n")) == (1, 1)
    assert "has no Stripe" in none.err
    assert nowhere.code == 0
