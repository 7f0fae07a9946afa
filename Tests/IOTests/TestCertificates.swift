// Certificates for tests, valid until 2126: made with `openssl req` and `openssl x509`, P-256.
@testable import IO

enum TestCertificates {
  static let server = CertificatePair(
    name: "server", certificate: bytes(serverPEM), key: bytes(serverKey))
  static let wild = CertificatePair(name: "wild", certificate: bytes(wildPEM), key: bytes(wildKey))
  static let client = CertificatePair(
    name: "client", certificate: bytes(clientPEM), key: bytes(clientKey))
  /// RSA-1024.
  static let weak = CertificatePair(
    name: "weak", certificate: bytes(weakPEM), key: bytes(weakKey))
  static let authority = bytes(authorityPEM)

  private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  private static let authorityPEM = """
    -----BEGIN CERTIFICATE-----
    MIIBojCCAUmgAwIBAgIUVdbvjNbAxpxg6ALxgP/MuKlVyZAwCgYIKoZIzj0EAwIw
    JjEQMA4GA1UEAwwHVGVzdCBDQTESMBAGA1UECgwJc3RlZWx5YXJkMCAXDTI2MTEy
    OTE3NDI0MFoYDzIxMjYxMTA1MTc0MjQwWjAmMRAwDgYDVQQDDAdUZXN0IENBMRIw
    EAYDVQQKDAlzdGVlbHlhcmQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARdieSp
    +GFL7l+k0FiwLIp5olTGDK1wbkkm4GKy2m5bx3DKiMOxQxE4PuEpgBbbW1jzGIbX
    WVFfCu21Ja7i3Ni+o1MwUTAdBgNVHQ4EFgQU3GBYu733tZksLrqJZjxQZYZW530w
    HwYDVR0jBBgwFoAU3GBYu733tZksLrqJZjxQZYZW530wDwYDVR0TAQH/BAUwAwEB
    /zAKBggqhkjOPQQDAgNHADBEAiAM6v84lDdPbp0LnHST2E5aGSK7qnWVTDjkYYIo
    JONRogIgeTx8rPkZiRr+oqElY5BYmZQWkIJ7B/3JRfM5k0aDMQU=
    -----END CERTIFICATE-----

    """

  private static let serverPEM = """
    -----BEGIN CERTIFICATE-----
    MIIBrDCCAVKgAwIBAgIUSMgYnCmTO05plBIJjCZggkQ6FGkwCgYIKoZIzj0EAwIw
    JjEQMA4GA1UEAwwHVGVzdCBDQTESMBAGA1UECgwJc3RlZWx5YXJkMCAXDTI2MTEy
    OTE3NDI0MFoYDzIxMjYxMTA1MTc0MjQwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3Qw
    WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQwncbZ23j2ubwHMPjvitREGVxs8D74
    46ZSiN4mFkmcxEYxMCftvaImz6qI9uI3KqrZSRvgqPKhnYTULAPsoU8Oo24wbDAq
    BgNVHREEIzAhgglsb2NhbGhvc3SHBH8AAAGCBmEudGVzdIIGYi50ZXN0MB0GA1Ud
    DgQWBBQNDpABL7ImWi9ECIIp6bPzlS78zzAfBgNVHSMEGDAWgBTcYFi7vfe1mSwu
    uolmPFBlhlbnfTAKBggqhkjOPQQDAgNIADBFAiA5bWKVrwP/VLmcch8cyzZYbKue
    chwMAhfby0C+mICCeQIhALD5Zkz5ywG+5BVZDA1zdP8SeP/H8UpcBZ5t1w8KGIRW
    -----END CERTIFICATE-----

    """

  private static let serverKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdBy1QRyU+HHGURpD
    FXbadt39TXYJ+XT5gn+dREFT+RahRANCAAQwncbZ23j2ubwHMPjvitREGVxs8D74
    46ZSiN4mFkmcxEYxMCftvaImz6qI9uI3KqrZSRvgqPKhnYTULAPsoU8O
    -----END PRIVATE KEY-----

    """

  private static let wildPEM = """
    -----BEGIN CERTIFICATE-----
    MIIBlDCCATmgAwIBAgIUSMgYnCmTO05plBIJjCZggkQ6FGowCgYIKoZIzj0EAwIw
    JjEQMA4GA1UEAwwHVGVzdCBDQTESMBAGA1UECgwJc3RlZWx5YXJkMCAXDTI2MTEy
    OTE3NDI0MFoYDzIxMjYxMTA1MTc0MjQwWjAPMQ0wCwYDVQQDDAR3aWxkMFkwEwYH
    KoZIzj0CAQYIKoZIzj0DAQcDQgAEumokwSkSTzqeDPsqRdjrHIdByvEYhORUqa0g
    4I2KLyQCMVzz0mDc/ftbBg/lccXYWNdMLaxwIryO2xKQa5W5RKNaMFgwFgYDVR0R
    BA8wDYILKi53aWxkLnRlc3QwHQYDVR0OBBYEFKSRjTm+sgQ8IGNrZKEN3E9nJ2oo
    MB8GA1UdIwQYMBaAFNxgWLu997WZLC66iWY8UGWGVud9MAoGCCqGSM49BAMCA0kA
    MEYCIQDYZ5E7f76kKU6Na2QL5mfjtUXyEfxo9mHY+LkDxAEURAIhAN4aSmjL/CqF
    htJ4SPY1EoDyA3BAxqucSYTodqPEvVfV
    -----END CERTIFICATE-----

    """

  private static let wildKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMqcuGaIIBuElOLbs
    8Ifxrss8grIPaRFgxXgHi0MiOduhRANCAAS6aiTBKRJPOp4M+ypF2Osch0HK8RiE
    5FSprSDgjYovJAIxXPPSYNz9+1sGD+VxxdhY10wtrHAivI7bEpBrlblE
    -----END PRIVATE KEY-----

    """

  private static let clientPEM = """
    -----BEGIN CERTIFICATE-----
    MIIBsTCCAVagAwIBAgIUSMgYnCmTO05plBIJjCZggkQ6FGswCgYIKoZIzj0EAwIw
    JjEQMA4GA1UEAwwHVGVzdCBDQTESMBAGA1UECgwJc3RlZWx5YXJkMCAXDTI2MTEy
    OTE3NDI0MFoYDzIxMjYxMTA1MTc0MjQwWjAWMRQwEgYDVQQDDAt3b3JrZXIsIG9u
    ZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHtc5Z9aJEaKZGuSSD8Zsw7VOzk9
    DnPnyaWo8W+7eCjynNIFCeo68RKGVNgk79ygJL9dMFWhJbawT+iREZ2DQI6jcDBu
    MCwGA1UdEQQlMCOCC2NsaWVudC50ZXN0hhRzcGlmZmU6Ly90ZXN0L3dvcmtlcjAd
    BgNVHQ4EFgQUsQNXJsb4DFHjdcC4QtKjeBRwyIAwHwYDVR0jBBgwFoAU3GBYu733
    tZksLrqJZjxQZYZW530wCgYIKoZIzj0EAwIDSQAwRgIhALwVqZyBLOZuA7iz63b0
    BQx7hAmUMGkmc8mwbPwQOk8VAiEAvTj5hxgwW8SGc40s0XyXHzyMSE4L3xFJG/CK
    1UwiqW4=
    -----END CERTIFICATE-----

    """

  private static let clientKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyi4YS5/CsMDzZSBY
    kO/uGt3bc5195QWiTCnR9jx4c96hRANCAAR7XOWfWiRGimRrkkg/GbMO1Ts5PQ5z
    58mlqPFvu3go8pzSBQnqOvEShlTYJO/coCS/XTBVoSW2sE/okRGdg0CO
    -----END PRIVATE KEY-----

    """

  private static let weakPEM = """
    -----BEGIN CERTIFICATE-----
    MIIB/DCCAWWgAwIBAgIUF3shE6qPmeBvDyP2sEC9A+l8n7IwDQYJKoZIhvcNAQEL
    BQAwDzENMAsGA1UEAwwEd2VhazAgFw0yNjExMjkxODUwMTNaGA8yMTI2MTEwNTE4
    NTAxM1owDzENMAsGA1UEAwwEd2VhazCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkC
    gYEA5Z251gnKy9zjvJ3M8j0Mwv3TMSmv0u1FdDpfeHdD/KGzr3x2M2qp653AmoeG
    xz1k2pa6KbSFPdw4bOhgZo/0XO/ciJSZzCm40uJUhJ8hY3LaCgc8arlwL07+ZBLn
    UXNRLL8gqBkfqIGtimTERoeIYze2u0NX4OiWmgzZlITxencCAwEAAaNTMFEwHQYD
    VR0OBBYEFBHmORgjC9sgtfJkAmFRdH+BMnOgMB8GA1UdIwQYMBaAFBHmORgjC9sg
    tfJkAmFRdH+BMnOgMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEA
    RpCkHM1fVKM5DLqn0bZ1DbMRxqnWxoeN0R1huTVAT4DmWqnWkk1jOFBAP5gjPEOV
    XlkjwCKxCaWJ1rS3MoYg9KAS8PB2qCj1t/9s44uIq/gDJ6C5fjYc8O7zmeSSwAmP
    n/xeNWfNF0aJIt34hmqcohTXru4pWcRFUtnmdSyUDfE=
    -----END CERTIFICATE-----
    """

  private static let weakKey = """
    -----BEGIN PRIVATE KEY-----
    MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAOWdudYJysvc47yd
    zPI9DML90zEpr9LtRXQ6X3h3Q/yhs698djNqqeudwJqHhsc9ZNqWuim0hT3cOGzo
    YGaP9Fzv3IiUmcwpuNLiVISfIWNy2goHPGq5cC9O/mQS51FzUSy/IKgZH6iBrYpk
    xEaHiGM3trtDV+DolpoM2ZSE8Xp3AgMBAAECgYEAnHQnPuc3LkdZSZjAH8JnYqmu
    8E22RuNzMqnfiWbChW3s0ELfC1O/ahL4PJLhy/pSMPsI6AffzfGy5MpFfTzTRAEu
    31T71PEcMxkUi98L4QTioKKaCFBHrlapTC6a42xSSsYn85KoHK+kWpjsXCiNLg+D
    gvLDCTFGid2HxS1IUBkCQQD/2LQjKaqRLsvoEFEptKgIt/p9x352vALvJM4OBivy
    zi2yNCMKuk/vFa+TKi4y0O+drQ3JR/JZF3+t0WudwZzlAkEA5cD+UoUVzzlTKlsD
    I4+q6rSbN16+NmyRDXcjB8HILn5bnbhHJkfcKmj4YC2MiT6j0RBmTVFH4dPOD5x2
    3RmgKwJAP7f21TMRWesvuXIm5J4ro1A+wIioxGV6zZh7AR8kXupekx1NBOT193ON
    MLe2nc1PgBOTdWfHwcyKbf3UMYwAyQJAPKUzvG56skdMZ4q8il962xcvPW9ZwB3q
    L+a5rWt+Pp+F6VziEv225M7ueNytEvEg5qdwiYoh8j8pTj+btIL2HwJBANulBXj5
    ndSYTzrH0gjA68VU6INNmYjSH6C9yTu+7JxfWKlMSHZO5HlJhHdCEoHb9GexZkCM
    lNKAbRO0vy8llmA=
    -----END PRIVATE KEY-----
    """
}
