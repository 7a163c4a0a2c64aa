"""Operations that an interrupted run left without an end, and the objects they made."""
