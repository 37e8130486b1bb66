"""Which names tell that their value is a secret, or says who somebody is.

A name is split into words at separators and capitals (`X-Api-Key`, `apiKey` and `api_key` are equal), and the
words are looked up. What follows a secret word may say that the value is only about the secret
(`token_count`, `password_length`): such names are free.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from shipper.enrich.redact.vocabulary import words


class NameClass(Enum):
    """What a name says of its value."""

    FREE = "free"
    SECRET = "secret"  # noqa: S105 - a word, not a password
    PERSONAL = "personal"


_LONGEST: Final = 160
"""Characters of a name that are looked at, from its end: there stands what it is."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


_PARTS: Final = re.compile(r"[.\[\]/]")
_CONTAINERS: Final = frozenset({"cookies", "cookie", "credentials", "secrets", "authorization"})
"""Whatever lies under such a name is secret."""


def _phrases(phrases: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(phrase.split("-")) for phrase in phrases.split())


_SECRET_WORDS: Final = words("""
    password passwd passwort motdepasse contrasena pwd passphrase passcode secret secrets credential credentials
    authorization cookie cookies apikey apikeys apitoken accesskey secretkey privatekey signingkey encryptionkey
    accesstoken authtoken refreshtoken idtoken sessiontoken sessionid sessid phpsessid jsessionid csrftoken csrf
    contrase пароль 密码 口令 パスワード 비밀번호 xsrf jwt bearer cvv cvc cvv2 cvc2 otp totp pincode masterkey clientsecret authkey sharedkey accountkey
    connectionstring webhookurl mnemonic seedphrase
""")
_SECRET_PHRASES: Final = _phrases("""
    api-key api-keys api-token access-key access-keys access-code private-key private-keys secret-key signing-key
    encryption-key decryption-key master-key account-key shared-key auth-key host-key license-key storage-key
    ssh-key hmac-key service-key deploy-key client-key server-key rsa-key aes-key pgp-key gpg-key subscription-key
    secret-id user-pass db-pass admin-pass root-pass smtp-pass mail-pass ftp-pass login-pass auth-pass
    session-id session-key session-cookie connect-sid auth-header auth-data auth-code auth-string auth-info
    authorization-code security-code verification-code recovery-code recovery-codes backup-codes one-time-code
    mfa-code card-pin user-pin pin-code security-answer
    connection-string set-cookie webhook-url seed-phrase recovery-phrase access-tokens refresh-tokens api-tokens
    auth-tokens bearer-tokens session-tokens amz-signature amz-credential goog-signature goog-credential
""")
_SECRET_LAST: Final = words("token auth pin pw")
"""Secret only as the last word, or followed by one of `_VALUE_WORDS`."""

_SECRET_ENDINGS: Final = (
    "password", "passwd", "passphrase", "secret", "apikey", "accesskey", "secretkey", "privatekey", "authtoken",
    "accesstoken", "refreshtoken", "sessionid", "sessiontoken", "apitoken", "bearertoken", "csrftoken",
)  # fmt: skip
"""Endings of glued words such as `dbpassword`."""

_PERSONAL_WORDS: Final = words("""
    ssn iban bic email emails mail telephone phonenumber phone mobilephone cellphone fax dob birthdate birthday
    surname lastname firstname fullname maidenname creditcard cardnumber ccnumber aadhaar pesel cpf nino
    nationalid taxid
""")
_PERSONAL_PHRASES: Final = _phrases("""
    e-mail mobile-number phone-number cell-number fax-number card-number credit-card cc-number card-pan
    account-number bank-account routing-number sort-code social-security national-id national-insurance tax-id
    tax-number passport-number passport-no driver-license drivers-license driving-licence license-number
    date-of-birth birth-date first-name last-name full-name maiden-name middle-name family-name given-name
    street-address home-address postal-address mailing-address nhs-number insurance-number
""")

QUERY_NAMES: Final = words("sig signature key code auth hmac sid session pass pw pwd state ticket k t")
"""Names that are secret in a query string."""

_ABOUT_WORDS: Final = words("""
    count counts length len size bytes number policy policies expiry expires expired expiration expire ttl age type
    types kind name names valid validity invalid strength changed updated created rotated at on enabled disabled
    required allowed present missing set exists attempts failures failed failure errors error version file path
    algorithm alg scheme format index ids total limit limits used usage budget rate per status state mode method
    provider manager store vault backend source model brand os domain domains sent delivered opened verified bounce
    queue server host port template subject id vocab vocabulary position positions logprob logprobs prob probs
    embedding embeddings similarity overlap accuracy loss ratio score latency ms seconds s us ns class classifier
    is has enable disable disabled checked check ok result match matches mismatch hint rounds minutes days window
    arn ref reference alias
""")
_VALUE_WORDS: Final = words(
    "value values data raw plain text string hash hashed encrypted old new current header b64"
)
_TOKENS_OF_TEXT: Final = words("""
    next eos pad bos unk sep cls mask masked stop special start end first last per prev previous input output
    predicted target prompt completion page continuation top best each every sub word text max min num n
    pagination oov time by new
""")
_PASSES_OF_WORK: Final = words("""
    test first second third forward backward single two multi band low high by all dry final last next per num compiler
    season boarding gate bulk warmup training pre post one full partial sub did does must can will
""")
_BEFORE: Final = words("is has num n no with without max min total count failed invalid missing")
"""A name that begins with one of these counts or asks: `has_password`, `num_secrets`, `max_token`."""


def words_of(name: str) -> list[str]:
    """Return the words of a name, lower case: `X-ApiKey` gives x, api, key."""
    return [word.lower() for word in _WORDS.findall(name[-_LONGEST:])]


def classify(name: str) -> NameClass:
    """Return what a name, dotted or not, says of its value; each part between dots may say it."""
    parts = [found for part in _PARTS.split(name[-_LONGEST:]) if (found := words_of(part))]
    answer = NameClass.FREE
    for at, own in enumerate(parts):
        rest = [] if own[-1] in _CONTAINERS else [word for part in parts[at + 1 :] for word in part]
        if _is_secret([*own, *rest]) and (not rest or _is_secret(own)):
            return NameClass.SECRET
        if answer is NameClass.FREE and _is_personal([*own, *rest]) and (not rest or _is_personal(own)):
            answer = NameClass.PERSONAL
    if answer is NameClass.FREE and len(parts) > 1 and _is_secret([*parts[-2], *parts[-1]]):
        return NameClass.SECRET  # `api.key`, `session.id`
    return answer


def _is_secret(parts: list[str]) -> bool:
    if parts[0] in _BEFORE and len(parts) > 1:
        return False
    return any(_is_secret_at(parts, at) for at in range(len(parts)))


def _is_secret_at(parts: list[str], at: int) -> bool:
    """Tell whether the secret is named by the word at this place, or by it and those after it."""
    word = parts[at]
    if word in _SECRET_WORDS or (len(word) > 6 and word.endswith(_SECRET_ENDINGS)):
        return not _is_about(parts[at + 1 :])
    if tuple(parts[at : at + 2]) in _SECRET_PHRASES or tuple(parts[at : at + 3]) in _SECRET_PHRASES:
        return not _is_about(parts[at + 2 :])
    if word == "pass" and at == len(parts) - 1 and at:
        return parts[at - 1] not in _PASSES_OF_WORK
    if word == "token" and at and parts[at - 1] in _TOKENS_OF_TEXT:
        return False
    return word in _SECRET_LAST and all(more in _VALUE_WORDS or more.isdigit() for more in parts[at + 1 :])


def _is_personal(parts: list[str]) -> bool:
    if parts[0] in _BEFORE and len(parts) > 1:
        return False
    for at, word in enumerate(parts):
        lengths = [1] if word in _PERSONAL_WORDS else [2, 3]
        for length in lengths:
            named = length == 1 or tuple(parts[at : at + length]) in _PERSONAL_PHRASES
            if named and not _is_about([more for more in parts[at + length :] if more != "number"]):
                return True
    return False


def _is_about(after: list[str]) -> bool:
    return bool(after) and after[-1] in _ABOUT_WORDS
